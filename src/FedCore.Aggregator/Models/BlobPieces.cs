namespace FedCore.Aggregator.Models;

/// <summary>
/// The pieces of blobs that were read last. The clients of a round fetch its model at about the same time: one of them has a piece read, the others find it
/// here. Safe for many threads.
/// </summary>
internal sealed class BlobPieces
{
    /// <summary>Bytes of a piece; the last one of a blob has fewer.</summary>
    public const int PieceBytes = 128 << 10;

    // 4 MiB. There are more only while more are in use at once.
    private const int Kept = 32;

    private readonly Lock _lock = new();
    private readonly List<Piece> _pieces = [];
    private long _uses;

    /// <summary>Takes a piece, which is the caller's to read until it is disposed of.</summary>
    /// <param name="blob">The blob.</param>
    /// <param name="number">Which piece, from 0.</param>
    /// <exception cref="IOException">It cannot be read.</exception>
    public Piece Take(Blob blob, long number)
    {
        Piece piece;
        lock (_lock)
        {
            piece = Find(blob.Digest, number) ?? Place(blob.Digest, number);
            piece.Users++;
            piece.LastUse = ++_uses;
        }

        try
        {
            piece.Fill(blob);
            return piece;
        }
        catch
        {
            piece.Dispose();
            throw;
        }
    }

    private Piece? Find(string digest, long number)
    {
        foreach (Piece piece in _pieces)
            if (piece.Number == number && piece.Digest == digest) return piece;
        return null;
    }

    private Piece Place(string digest, long number)
    {
        Piece? piece = _pieces.Count < Kept ? null : _pieces.Where(piece => piece.Users == 0).MinBy(piece => piece.LastUse);
        if (piece is null) _pieces.Add(piece = new Piece(this));
        piece.Become(digest, number);
        return piece;
    }

    private void Return(Piece piece)
    {
        lock (_lock)
            if (--piece.Users == 0 && _pieces.Count > Kept) _pieces.Remove(piece);
    }

    /// <summary>A piece of a blob. But for its bytes, the cache's lock guards it.</summary>
    internal sealed class Piece(BlobPieces owner) : IDisposable
    {
        private readonly byte[] _buffer = GC.AllocateUninitializedArray<byte>(PieceBytes);
        private readonly Lock _reading = new();
        private int? _length;

        public string Digest { get; private set; } = "";

        public long Number { get; private set; }

        public int Users { get; set; }

        public long LastUse { get; set; }

        /// <summary>Its bytes.</summary>
        public ReadOnlyMemory<byte> Bytes => _buffer.AsMemory(0, _length ?? throw new InvalidOperationException("The piece was not read."));

        /// <summary>Becomes another one, which nobody uses yet.</summary>
        public void Become(string digest, long number) => (Digest, Number, _length) = (digest, number, null);

        /// <summary>Has it read, unless it was; who comes meanwhile waits.</summary>
        public void Fill(Blob blob)
        {
            lock (_reading)
            {
                if (_length is not null) return;
                long start = Number * PieceBytes;
                int length = (int)Math.Min(PieceBytes, blob.Length - start);
                for (int filled = 0; filled < length;)
                {
                    int count = blob.Read(_buffer.AsSpan(filled, length - filled), start + filled);
                    if (count == 0) throw new EndOfStreamException($"{blob.Digest} ends at byte {start + filled} of {blob.Length}.");
                    filled += count;
                }

                _length = length;
            }
        }

        public void Dispose() => owner.Return(this);
    }
}
