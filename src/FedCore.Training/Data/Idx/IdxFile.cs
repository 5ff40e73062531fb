using System.Buffers.Binary;
using System.IO.Compression;

namespace FedCore.Training.Data.Idx;

/// <summary>
/// An IDX file, the format of MNIST: two zero bytes, the element type, the number of dimensions, the extents as big-endian 32-bit integers, then the
/// elements, big-endian. Compression with gzip is recognised.
/// </summary>
/// <param name="Extents">The extents, outermost first.</param>
/// <param name="Bytes">The elements as unsigned bytes, or null for another type.</param>
/// <param name="Numbers">The elements as floats for other types, or null for bytes.</param>
internal sealed record IdxFile(int[] Extents, byte[]? Bytes, float[]? Numbers)
{
    private const int MaxDimensions = 4;
    private const long MaxElements = 1L << 31;

    /// <summary>Number of elements.</summary>
    public int Count => Bytes?.Length ?? Numbers!.Length;

    /// <summary>Reads a file.</summary>
    public static IdxFile Read(string path) => Read(path, stream => Parse(stream, path), isWhole: true);

    /// <summary>Reads a file's extents alone.</summary>
    public static int[] ReadExtents(string path) => Read(path, stream => ParseHead(stream, path).Extents, isWhole: false);

    private static T Read<T>(string path, Func<Stream, T> parse, bool isWhole)
    {
        try
        {
            using FileStream file = File.OpenRead(path);
            Span<byte> magic = stackalloc byte[2];
            int read = file.ReadAtLeast(magic, 2, throwOnEndOfStream: false);
            file.Position = 0;
            bool compressed = read == 2 && magic[0] == 0x1F && magic[1] == 0x8B;
            if (!compressed) return parse(file);
            using var watched = new WatchedStream(file);
            using var stream = new GZipStream(watched, CompressionMode.Decompress);
            T result = parse(stream);

            // Decompression ends quietly before what is no gzip any more.
            return watched.IsAtEnd || !isWhole ? result : throw Fault(path, "it has bytes behind the end of its gzip compression. Fetch or copy it again");
        }
        catch (InvalidDataException fault)
        {
            throw Fault(path, "its gzip compression is damaged. Fetch or copy it again", fault);
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            throw Fault(path, $"it cannot be read ({fault.Message.TrimEnd('.')}). Check that it is a file that you may read", fault);
        }
    }

    /// <summary>Reads the uncompressed format.</summary>
    /// <exception cref="FedCoreException">It is not IDX, or truncated (<c>data.idx</c>).</exception>
    internal static IdxFile Parse(Stream stream, string path)
    {
        (byte type, int[] extents, long wanted) = ParseHead(stream, path);

        // A header can lie about the size, so memory grows with what is really there.
        using var content = new MemoryStream();
        byte[] chunk = new byte[1 << 16];
        while (content.Length < wanted)
        {
            int read = stream.Read(chunk, 0, (int)Math.Min(chunk.Length, wanted - content.Length));
            if (read == 0)
                throw Fault(path, $"it is truncated: {content.Length} of {wanted} bytes behind the header. Fetch or copy it again");
            content.Write(chunk, 0, read);
        }

        if (stream.ReadByte() >= 0) throw Fault(path, $"it has bytes behind the {wanted} that its header declares. Fetch or copy it again");
        byte[] bytes = content.ToArray();
        return type == 0x08 ? new IdxFile(extents, bytes, null) : new IdxFile(extents, null, Decode(bytes, type, ElementSize(type), path));
    }

    private static (byte Type, int[] Extents, long Bytes) ParseHead(Stream stream, string path)
    {
        Span<byte> head = stackalloc byte[4];
        if (stream.ReadAtLeast(head, 4, throwOnEndOfStream: false) < 4) throw Fault(path, "it is shorter than its first four bytes. Fetch or copy it again");
        int size = ElementSize(head[2]);
        if (head[0] != 0 || head[1] != 0 || size == 0 || head[3] is 0 or > MaxDimensions)
            throw Fault(path, $"it begins with {Convert.ToHexString(head)}, which is not the magic number of an IDX file of 1 to {MaxDimensions} dimensions. Name an IDX file, or fetch it again");

        int[] extents = new int[head[3]];
        Span<byte> word = stackalloc byte[4];
        long count = 1;
        for (int i = 0; i < extents.Length; i++)
        {
            if (stream.ReadAtLeast(word, 4, throwOnEndOfStream: false) < 4) throw Fault(path, "it ends within its header. Fetch or copy it again");
            extents[i] = BinaryPrimitives.ReadInt32BigEndian(word);
            if (extents[i] < 0) throw Fault(path, $"extent {i} is {extents[i]}, which is below 0. Fetch or copy it again");
            count = extents[i] == 0 ? 0 : count > MaxElements / extents[i] ? MaxElements : count * extents[i];
        }

        if (count * size >= MaxElements) throw Fault(path, $"it declares {string.Join(" x ", extents)} elements, more than the 2 GiB that are supported. Cut it into smaller files");
        return (head[2], extents, count * size);
    }

    private static int ElementSize(byte type) => type switch
    {
        0x08 or 0x09 => 1,
        0x0B => 2,
        0x0C or 0x0D => 4,
        0x0E => 8,
        _ => 0,
    };

    private static float[] Decode(byte[] bytes, byte type, int size, string path)
    {
        float[] values = new float[bytes.Length / size];
        for (int i = 0; i < values.Length; i++)
        {
            ReadOnlySpan<byte> element = bytes.AsSpan(i * size, size);
            values[i] = type switch
            {
                0x09 => (sbyte)element[0],
                0x0B => BinaryPrimitives.ReadInt16BigEndian(element),
                0x0C => BinaryPrimitives.ReadInt32BigEndian(element),
                0x0D => BinaryPrimitives.ReadSingleBigEndian(element),
                _ => (float)BinaryPrimitives.ReadDoubleBigEndian(element),
            };
            if (!float.IsFinite(values[i])) throw Fault(path, $"element {i} is {values[i]}: features and labels must be finite. Correct the file");
        }

        return values;
    }

    /// <summary>Reads on from a stream, and knows whether the reader came to its end.</summary>
    private sealed class WatchedStream(Stream inner) : Stream
    {
        public bool IsAtEnd { get; private set; }

        public override bool CanRead => true;

        public override bool CanSeek => false;

        public override bool CanWrite => false;

        public override long Length => throw new NotSupportedException();

        public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

        public override int Read(byte[] buffer, int offset, int count) => Read(buffer.AsSpan(offset, count));

        public override int Read(Span<byte> buffer)
        {
            int read = inner.Read(buffer);
            IsAtEnd |= read == 0 && buffer.Length > 0;
            return read;
        }

        public override void Flush()
        {
        }

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();

        public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();
    }

    private static FedCoreException Fault(string path, string what, Exception? cause = null) =>
        FedCoreException.Configuration("data.idx", $"{path}: {what}.", cause);
}
