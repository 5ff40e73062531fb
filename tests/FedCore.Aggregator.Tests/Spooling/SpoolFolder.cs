using System.Buffers;
using System.Security.Cryptography;
using System.Text;
using FedCore.Aggregator.Spooling;
using FedCore.Aggregator.Storage;
using FedCore.Aggregator.Tests.Child;
using FedCore.Compression;
using FedCore.Tests;

namespace FedCore.Aggregator.Tests.Spooling;

/// <summary>A spool in a temporary folder, with short ways to use it.</summary>
internal sealed class SpoolFolder : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public List<SpoolDamage> Damage { get; } = [];

    public Disk Disk { get; init; } = new TestDisk();

    public TimeProvider Clock { get; init; } = TimeProvider.System;

    public string Path => _folder["spool"];

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    public Spool Open(out IReadOnlyList<SpooledUpdate> recovered, Func<SpoolOptions, SpoolOptions>? change = null)
    {
        var options = new SpoolOptions(Path) { Report = Damage.Add };
        return Spool.Open(change is null ? options : change(options), Disk, Clock, out recovered);
    }

    public Spool Open(Func<SpoolOptions, SpoolOptions>? change = null) => Open(out _, change);

    /// <summary>The files of a run that hold updates.</summary>
    public string[] Segments(string run = "run") =>
        Directory.Exists(RunPath(run)) ? [.. Directory.GetFiles(RunPath(run)).Where(file => !file.EndsWith(".part", StringComparison.Ordinal)).Order(StringComparer.Ordinal)] : [];

    public string RunPath(string run = "run") => System.IO.Path.Combine(Path, run);

    /// <summary>The files of unfinished uploads.</summary>
    public string[] Parts() => Directory.GetFiles(RunPath(), "*.part");

    /// <summary>The file of an unfinished upload.</summary>
    public string PartOf(string label) => System.IO.Path.Combine(RunPath(), Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(label))[..16]) + ".part");

    public void Dispose() => _folder.Dispose();

    /// <summary>Bytes that follow from a label and a length.</summary>
    public static byte[] Payload(string label, int length) => Payloads.Of(label, length);

    public static Task<SpooledUpdate> AppendAsync(Spool spool, string label, int length, string run = "run") => AppendAsync(spool, label, Payload(label, length), run);

    public static async Task<SpooledUpdate> AppendAsync(Spool spool, string label, byte[] payload, string run = "run") =>
        await spool.AppendAsync(run, Encoding.UTF8.GetBytes(label), new ReadOnlySequence<byte>(payload), SHA256.HashData(payload), Ct);

    public static async Task<StagedUpload> StageAsync(Spool spool, string label, byte[] payload, string run = "run", Func<IEncodedUpdate, UpdateCheck>? check = null) =>
        await spool.StageAsync(run, Encoding.UTF8.GetBytes(label), payload.Length, SHA256.HashData(payload), check, Ct);

    public static string LabelOf(SpooledUpdate update) => Encoding.UTF8.GetString(update.Label.Span);

    public static byte[] ReadAll(SpooledUpdate update)
    {
        using IEncodedUpdate reader = update.OpenRead();
        return ReadAll(reader);
    }

    public static byte[] ReadAll(IEncodedUpdate reader)
    {
        var bytes = new byte[reader.Length];
        for (long offset = 0; offset < reader.Length; offset += IEncodedUpdate.LongestRead)
        {
            int count = (int)Math.Min(IEncodedUpdate.LongestRead, reader.Length - offset);
            reader.Read(offset, count).CopyTo(bytes.AsSpan((int)offset));
        }

        return bytes;
    }

    /// <summary>Asserts that an update is what was appended under its label.</summary>
    public static void AssertWhole(SpooledUpdate update)
    {
        byte[] expected = Payload(LabelOf(update), (int)update.Length);
        Assert.Equal(expected, ReadAll(update));
        Assert.Equal(SHA256.HashData(expected), update.Digest.ToArray());
    }

    /// <summary>Bytes in pieces of odd lengths, as they arrive.</summary>
    public static ReadOnlySequence<byte> InPieces(byte[] bytes, int piece)
    {
        Piece first = new(bytes.AsMemory(0, Math.Min(piece, bytes.Length)), 0), last = first;
        for (int offset = piece; offset < bytes.Length; offset += piece) last = last.Append(bytes.AsMemory(offset, Math.Min(piece, bytes.Length - offset)));
        return new ReadOnlySequence<byte>(first, 0, last, last.Memory.Length);
    }

    private sealed class Piece : ReadOnlySequenceSegment<byte>
    {
        public Piece(ReadOnlyMemory<byte> memory, long index) => (Memory, RunningIndex) = (memory, index);

        public Piece Append(ReadOnlyMemory<byte> memory)
        {
            var next = new Piece(memory, RunningIndex + Memory.Length);
            Next = next;
            return next;
        }
    }
}
