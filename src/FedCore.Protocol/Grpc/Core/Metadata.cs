using System.Buffers;
using System.Collections;
using System.Text;

namespace Grpc.Core;

/// <summary>Header fields and trailers of a call, in order. Names are lower case; the values of those that end with <c>-bin</c> are bytes, in base64 on the wire.</summary>
internal sealed class Metadata : IEnumerable<Metadata.Entry>
{
    public const string BinaryHeaderSuffix = "-bin";

    public static readonly Metadata Empty = [];

    private readonly List<Entry> _entries = [];

    public int Count => _entries.Count;

    public void Add(Entry item)
    {
        if (ReferenceEquals(this, Empty)) throw new InvalidOperationException("The empty metadata cannot be added to.");
        _entries.Add(item);
    }

    public void Add(string key, string value) => Add(new Entry(key, value));

    public void Add(string key, byte[] valueBytes) => Add(new Entry(key, valueBytes));

    public Entry? Get(string key) => _entries.FindLast(entry => entry.Key.Equals(key, StringComparison.OrdinalIgnoreCase));

    public string? GetValue(string key) => Get(key)?.Value;

    public byte[]? GetValueBytes(string key) => Get(key)?.ValueBytes;

    public IEnumerator<Entry> GetEnumerator() => _entries.GetEnumerator();

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();

    // What of HTTP's header fields is metadata: neither HTTP's own nor gRPC's.
    internal static bool IsMetadata(string name) => !name.StartsWith(':') && name.ToLowerInvariant() is not ("content-type" or "te" or "grpc-timeout" or "grpc-encoding"
        or "grpc-accept-encoding" or "grpc-status" or "grpc-message" or "content-length" or "transfer-encoding" or "date" or "server" or "host");

    // What is no metadata by gRPC's rules is dropped, so that every entry can be sent on. Several values of one name may come joined by commas, which base64 has
    // none of.
    internal void AddFromWire(string name, string? value)
    {
        string key = name.ToLowerInvariant();
        if (value is null || !Entry.IsKey(key)) return;
        if (!key.EndsWith(BinaryHeaderSuffix, StringComparison.Ordinal))
        {
            if (Entry.IsText(value)) Add(key, value);
            return;
        }

        foreach (string part in value.Split(',', StringSplitOptions.TrimEntries))
        {
            byte[] bytes = new byte[part.Length];
            if (Convert.TryFromBase64String(part.PadRight((part.Length + 3) / 4 * 4, '='), bytes, out int count)) Add(key, bytes[..count]);
        }
    }

    internal sealed class Entry
    {
        private static readonly SearchValues<char> KeyCharacters = SearchValues.Create("abcdefghijklmnopqrstuvwxyz0123456789_-.");

        private readonly string? _text;
        private readonly byte[]? _bytes;

        public Entry(string key, string value)
        {
            Key = Normalize(key);
            if (IsBinary) throw new ArgumentException($"The value of '{key}' must be bytes.", nameof(value));
            if (!IsText(value)) throw new ArgumentException($"The value of '{key}' must be printable ASCII; anything else goes into a name that ends with {BinaryHeaderSuffix}.", nameof(value));
            _text = value;
        }

        public Entry(string key, byte[] valueBytes)
        {
            Key = Normalize(key);
            if (!IsBinary) throw new ArgumentException($"Only names that end with {BinaryHeaderSuffix} have bytes for values.", nameof(valueBytes));
            _bytes = valueBytes;
        }

        public string Key { get; }

        public bool IsBinary => Key.EndsWith(BinaryHeaderSuffix, StringComparison.Ordinal);

        public string Value => _text ?? Encoding.ASCII.GetString(_bytes!);

        public byte[] ValueBytes => _bytes ?? Encoding.ASCII.GetBytes(_text!);

        internal string OnWire => _text ?? Convert.ToBase64String(_bytes!).TrimEnd('=');

        internal static bool IsKey(string key) => key.Length > 0 && !key.AsSpan().ContainsAnyExcept(KeyCharacters);

        internal static bool IsText(string value) => !value.AsSpan().ContainsAnyExceptInRange(' ', '~');

        private static string Normalize(string key) => key.ToLowerInvariant() is var lower && IsKey(lower)
            ? lower
            : throw new ArgumentException($"'{key}' is no name for metadata: letters, digits, '_', '-' and '.' make one.", nameof(key));
    }
}
