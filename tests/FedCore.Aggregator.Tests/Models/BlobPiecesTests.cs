using System.Security.Cryptography;
using FedCore.Aggregator.Models;
using FedCore.Tests;

namespace FedCore.Aggregator.Tests.Models;

public sealed class BlobPiecesTests : IDisposable
{
    private const int Pieces = 100, Length = Pieces * BlobPieces.PieceBytes - 1000;

    private readonly TemporaryFolder _folder = new();
    private readonly BlobStore _store;
    private readonly BlobPieces _pieces = new();
    private readonly byte[] _content = RandomNumberGenerator.GetBytes(Length);

    public BlobPiecesTests() => _store = BlobStore.Open(_folder["blobs"], new TestDisk(), TimeProvider.System);

    public void Dispose()
    {
        _store.Dispose();
        _folder.Dispose();
    }

    [Fact]
    public async Task A_blob_is_its_pieces()
    {
        using Blob blob = await PutAsync(_content);
        Assert.Equal(_content, Enumerable.Range(0, Pieces).SelectMany(number => Read(blob, number)));
    }

    [Fact]
    public async Task A_piece_that_was_read_is_not_read_again()
    {
        using Blob blob = await PutAsync(_content);
        Read(blob, 3);
        Overwrite(blob, file => RandomAccess.Write(file, new byte[Length], 0));
        Assert.Equal(Expected(3), Read(blob, 3));
        Assert.All(Read(blob, 4), value => Assert.Equal(0, value));
    }

    [Fact]
    public async Task Of_two_blobs_the_same_piece_is_not_the_same()
    {
        using Blob one = await PutAsync(_content), other = await PutAsync(_content[1..]);
        Assert.Equal(Expected(0), Read(one, 0));
        Assert.Equal(_content[1..(BlobPieces.PieceBytes + 1)], Read(other, 0));
    }

    [Fact]
    public async Task As_many_pieces_as_are_wanted_can_be_in_use_at_once()
    {
        using Blob blob = await PutAsync(_content);
        BlobPieces.Piece[] taken = [.. Enumerable.Range(0, Pieces).Select(number => _pieces.Take(blob, number))];
        for (int number = 0; number < Pieces; number++) Assert.Equal(Expected(number), taken[number].Bytes.ToArray());
        foreach (BlobPieces.Piece piece in taken) piece.Dispose();
        for (int number = 0; number < Pieces; number++) Assert.Equal(Expected(number), Read(blob, number));
    }

    [Fact]
    public async Task Many_readers_at_once_read_what_is_there()
    {
        using Blob blob = await PutAsync(_content);
        await Task.WhenAll(Enumerable.Range(0, 8).Select(seed => Task.Run(() =>
        {
            var random = new Random(seed);
            for (int i = 0; i < 500; i++)
            {
                int number = random.Next(Pieces);
                Assert.True(Read(blob, number).AsSpan().SequenceEqual(Expected(number)));
            }
        })));
    }

    [Fact]
    public async Task A_file_that_has_become_shorter_is_a_fault_until_it_is_whole_again()
    {
        using Blob blob = await PutAsync(_content);
        Overwrite(blob, file => RandomAccess.SetLength(file, 1000));
        Assert.Throws<EndOfStreamException>(() => _pieces.Take(blob, 0));
        Overwrite(blob, file => RandomAccess.Write(file, _content, 0));
        Assert.Equal(Expected(0), Read(blob, 0));
    }

    private byte[] Expected(int number) => _content[(number * BlobPieces.PieceBytes)..Math.Min(Length, (number + 1) * BlobPieces.PieceBytes)];

    private byte[] Read(Blob blob, int number)
    {
        using BlobPieces.Piece piece = _pieces.Take(blob, number);
        return piece.Bytes.ToArray();
    }

    private async Task<Blob> PutAsync(byte[] content) =>
        _store.OpenRead((await _store.PutAsync(stream => stream.Write(content), TestContext.Current.CancellationToken)).Digest);

    private void Overwrite(Blob blob, Action<Microsoft.Win32.SafeHandles.SafeFileHandle> write)
    {
        string digest = blob.Digest["sha256:".Length..];
        using var file = File.OpenHandle(Path.Combine(_folder["blobs"], digest[..2], digest[2..]), FileMode.Open, FileAccess.Write, FileShare.ReadWrite | FileShare.Delete);
        write(file);
    }
}
