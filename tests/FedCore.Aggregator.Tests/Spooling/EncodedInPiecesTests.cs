using System.Buffers;
using FedCore.Aggregator.Spooling;
using FedCore.Compression;

namespace FedCore.Aggregator.Tests.Spooling;

public class EncodedInPiecesTests
{
    private static readonly byte[] Bytes = [.. Enumerable.Range(0, 100_000).Select(i => (byte)(i * 31))];

    [Theory]
    [InlineData(1)]
    [InlineData(7)]
    [InlineData(4096)]
    [InlineData(99_999)]
    [InlineData(100_000)]
    public void Bytes_are_the_same_in_whatever_pieces_they_came(int piece)
    {
        using var update = new EncodedInPieces(SpoolFolder.InPieces(Bytes, piece));
        Assert.Equal(Bytes.Length, update.Length);
        for (int offset = 0; offset < Bytes.Length; offset += 10_000) Assert.Equal(Bytes.AsSpan(offset, 10_000), update.Read(offset, 10_000));
    }

    [Fact]
    public void As_much_as_is_ever_asked_for_can_be_read_across_pieces()
    {
        using var update = new EncodedInPieces(SpoolFolder.InPieces(Bytes, 1000));
        Assert.Equal(Bytes.AsSpan(500, IEncodedUpdate.LongestRead), update.Read(500, IEncodedUpdate.LongestRead));
    }

    [Fact]
    public void What_lies_in_one_piece_is_not_copied()
    {
        ReadOnlySequence<byte> pieces = SpoolFolder.InPieces(Bytes, 1000);
        using var update = new EncodedInPieces(pieces);
        Assert.True(update.Read(0, 999) == pieces.FirstSpan[..999]);
    }
}
