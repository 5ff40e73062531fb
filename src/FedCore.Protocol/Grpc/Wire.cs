using System.Buffers.Binary;
using System.Globalization;
using System.Text;
using Grpc.Core;

namespace Grpc;

/// <summary>How gRPC is laid over HTTP: header fields, timeouts, messages' prefixes (gRPC over HTTP2, PROTOCOL-HTTP2.md).</summary>
internal static class Wire
{
    public const string ContentType = "application/grpc", WebContentType = "application/grpc-web";
    public const string StatusField = "grpc-status", MessageField = "grpc-message", TimeoutField = "grpc-timeout";

    /// <summary>Bytes before each message: a flag for compression, and the length.</summary>
    public const int PrefixLength = 5;

    private const long MaxTimeout = 99_999_999;

    /// <summary>Timers count no further; a deadline behind that is none.</summary>
    public static readonly TimeSpan MaxTimer = TimeSpan.FromDays(49);

    // Ticks per unit, the finest first: the value has at most eight digits.
    private static readonly (char Unit, long Ticks)[] Units =
        [('u', TimeSpan.TicksPerMicrosecond), ('m', TimeSpan.TicksPerMillisecond), ('S', TimeSpan.TicksPerSecond), ('M', TimeSpan.TicksPerMinute), ('H', TimeSpan.TicksPerHour)];

    public static bool IsOfType(string? contentType, string expected) => contentType is not null && contentType.StartsWith(expected, StringComparison.OrdinalIgnoreCase)
        && (contentType.Length == expected.Length || contentType[expected.Length] is '+' or ';');

    public static void WritePrefix(Span<byte> target, int length)
    {
        target[0] = 0;
        BinaryPrimitives.WriteInt32BigEndian(target[1..], length);
    }

    public static string FormatTimeout(TimeSpan timeout)
    {
        foreach ((char unit, long ticks) in Units)
        {
            long value = (timeout.Ticks + ticks - 1) / ticks;
            if (value <= MaxTimeout) return string.Create(CultureInfo.InvariantCulture, $"{Math.Max(1, value)}{unit}");
        }

        return $"{MaxTimeout}H";
    }

    /// <summary>The time that is left for a call; null where the text is no timeout.</summary>
    public static TimeSpan? ParseTimeout(ReadOnlySpan<char> text)
    {
        if (text.Length is < 2 or > 9 || !long.TryParse(text[..^1], NumberStyles.None, CultureInfo.InvariantCulture, out long value)) return null;
        if (text[^1] == 'n') return TimeSpan.FromTicks((value + TimeSpan.NanosecondsPerTick - 1) / TimeSpan.NanosecondsPerTick);
        foreach ((char unit, long ticks) in Units)
            if (text[^1] == unit) return TimeSpan.FromTicks(Math.Min(value, TimeSpan.MaxValue.Ticks / ticks) * ticks);
        return null;
    }

    /// <summary>A status message as a header field: UTF-8 with percent signs for what is not printable ASCII.</summary>
    public static string EscapeMessage(string message)
    {
        if (message.All(c => c is >= ' ' and <= '~' and not '%')) return message;
        var escaped = new StringBuilder();
        foreach (byte b in Encoding.UTF8.GetBytes(message))
            _ = b is >= (byte)' ' and <= (byte)'~' and not (byte)'%' ? escaped.Append((char)b) : escaped.Append(CultureInfo.InvariantCulture, $"%{b:X2}");
        return escaped.ToString();
    }

    public static string UnescapeMessage(string message) => message.Contains('%', StringComparison.Ordinal) ? Uri.UnescapeDataString(message) : message;

    /// <summary>What an HTTP status that is not 200 stands for (http-grpc-status-mapping.md).</summary>
    public static StatusCode StatusOf(int httpStatus) => httpStatus switch
    {
        400 => StatusCode.Internal,
        401 => StatusCode.Unauthenticated,
        403 => StatusCode.PermissionDenied,
        404 => StatusCode.Unimplemented,
        429 or 502 or 503 or 504 => StatusCode.Unavailable,
        _ => StatusCode.Unknown,
    };

    /// <summary>What an error code of HTTP/2 that breaks a stream off stands for (PROTOCOL-HTTP2.md, Errors).</summary>
    public static StatusCode StatusOfReset(long errorCode) => errorCode switch
    {
        0x7 => StatusCode.Unavailable,
        0x8 => StatusCode.Cancelled,
        0xb => StatusCode.ResourceExhausted,
        0xc => StatusCode.PermissionDenied,
        _ => StatusCode.Internal,
    };

    public static Status ReadStatus(string? code, string? message) => int.TryParse(code, NumberStyles.None, CultureInfo.InvariantCulture, out int number)
        ? new Status(number <= (int)StatusCode.Unauthenticated ? (StatusCode)number : StatusCode.Unknown, UnescapeMessage(message ?? ""))
        : new Status(StatusCode.Internal, "The answer has no status.");
}
