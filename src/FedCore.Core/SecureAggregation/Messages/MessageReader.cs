using System.Buffers.Binary;
using System.Text;

namespace FedCore.SecureAggregation.Messages;

/// <summary>Reads messages that anybody may have written, and refuses what <see cref="MessageWriter"/> would not write.</summary>
/// <param name="bytes">The message.</param>
/// <param name="what">What it is, for the refusal.</param>
internal ref struct MessageReader(ReadOnlySpan<byte> bytes, string what)
{
    /// <summary>The most bytes of a name; a longer one is refused before anything is made of it.</summary>
    public const int LongestText = 400;

    private static readonly UTF8Encoding Strict = new(false, true);

    private ReadOnlySpan<byte> _rest = bytes;

    public int Number() => BinaryPrimitives.ReadInt32LittleEndian(Bytes(sizeof(int)));

    /// <summary>How many elements follow, each of so many bytes or more.</summary>
    public int Count(int most, int leastBytes)
    {
        int count = Number();
        if (count < 0 || count > most) throw Refused($"it lists {count}, but there are at most {most}");
        return (long)count * leastBytes > _rest.Length ? throw Refused($"it ends within a list of {count}") : count;
    }

    public double Double() => BinaryPrimitives.ReadDoubleLittleEndian(Bytes(sizeof(double)));

    public ReadOnlySpan<byte> Bytes(int count)
    {
        if (count > _rest.Length) throw Refused("it ends too early");
        ReadOnlySpan<byte> taken = _rest[..count];
        _rest = _rest[count..];
        return taken;
    }

    public string Text()
    {
        int length = Number();
        if (length is < 0 or > LongestText) throw Refused($"a text of it has {length} bytes, but at most {LongestText}");
        try
        {
            return Strict.GetString(Bytes(length));
        }
        catch (DecoderFallbackException)
        {
            throw Refused("a text of it is not UTF-8");
        }
    }

    /// <summary>Sees that nothing follows.</summary>
    public readonly void End()
    {
        if (!_rest.IsEmpty) throw Refused($"it has {_rest.Length} bytes too many");
    }

    public readonly SecureAggregationException Refused(string why) => new(SecureAggregationCodes.Message, $"{what} cannot be read: {why}.");
}
