using System.Buffers;
using FedCore.Aggregator.Spooling;
using FsCheck;
using FsCheck.Fluent;
using Microsoft.FSharp.Core;
using static FedCore.Aggregator.Tests.Spooling.SpoolFolder;

namespace FedCore.Aggregator.Tests.Spooling;

/// <summary>Whatever is done in whatever order, the spool holds what a dictionary would.</summary>
public class SpoolPropertyTests
{
    private static readonly Config Cases = Config.QuickThrowOnFailure.WithMaxTest(60).WithQuietOnSuccess(true)
        .WithReplay(FSharpOption<Replay>.Some(new Replay(new Rnd(2026, 11), FSharpOption<int>.None)));

    private enum Kind
    {
        Append,
        Send,
        Complete,
        Release,
        Reopen,
        Crash,
    }

    [Fact]
    public void Any_sequence_of_steps_leaves_what_a_dictionary_holds() => Prop.ForAll(
        Gen.Zip(Gen.Frequency((6, Gen.Constant(Kind.Append)), (4, Gen.Constant(Kind.Send)), (2, Gen.Constant(Kind.Complete)), (5, Gen.Constant(Kind.Release)), (1, Gen.Constant(Kind.Reopen)), (1, Gen.Constant(Kind.Crash))), Gen.Choose(0, 10_000)).ListOf(60).ToArbitrary(),
        steps =>
        {
            using var model = new Model();
            foreach ((Kind kind, int number) in steps)
            {
                model.Step(kind, number).GetAwaiter().GetResult();
                model.CheckAsync().GetAwaiter().GetResult();
            }

            model.ReleaseAllAsync().GetAwaiter().GetResult();
        }).Check(Cases);

    private sealed class Model : IDisposable
    {
        private const int UploadLength = 5000;

        private readonly SpoolFolder _folder = new();
        private readonly Dictionary<string, SpooledUpdate> _kept = [];
        private readonly HashSet<string> _released = [];
        private readonly Dictionary<string, int> _sent = [];
        private Spool _spool;
        private int _count;

        public Model() => _spool = Open(out _);

        public async Task Step(Kind kind, int number)
        {
            switch (kind)
            {
                case Kind.Append:
                    string label = $"append {_count++}";
                    _kept.Add(label, await AppendAsync(_spool, label, number, $"run{number % 2}"));
                    break;
                case Kind.Send:
                    string upload = $"upload {number % 3}";
                    int sent = _sent.GetValueOrDefault(upload), count = Math.Min(number, UploadLength - sent);
                    if (_kept.ContainsKey(upload) || _released.Contains(upload)) break;
                    StagedUpload staged = await StageAsync(_spool, upload, Payload(upload, UploadLength), "run0");
                    Assert.Equal(sent, staged.Offset);
                    staged.Write(new ReadOnlySequence<byte>(Payload(upload, UploadLength), sent, count));
                    _sent[upload] = sent + count;
                    if (number % 5 == 0) staged.Dispose();
                    break;
                case Kind.Complete:
                    foreach ((string ready, int length) in _sent.Where(pair => pair.Value == UploadLength).ToArray())
                    {
                        _kept.Add(ready, await (await StageAsync(_spool, ready, Payload(ready, UploadLength), "run0")).CompleteAsync());
                        _sent.Remove(ready);
                    }

                    break;
                case Kind.Release when _kept.Count > 0:
                    string given = _kept.Keys.ElementAt(number % _kept.Count);
                    _kept[given].Release();
                    _kept.Remove(given);
                    _released.Add(given);
                    break;
                case Kind.Reopen:
                    Reopen();
                    break;
                case Kind.Crash:
                    // A record that was being written, cut off anywhere.
                    _spool.Dispose();
                    if (_folder.Segments("run1").LastOrDefault() is { } last)
                    {
                        byte[] head = SpoolFormat.CreateHead("torn"u8, 1000, new byte[32]);
                        SpoolFormat.Seal(head, BitConverter.ToUInt64(File.ReadAllBytes(last).AsSpan(12)));
                        using var file = new FileStream(last, FileMode.Append);
                        file.Write(((byte[])[.. head, .. new byte[1000]]).AsSpan(0, number % 1064));
                    }

                    Reopen();
                    break;
            }
        }

        public async Task CheckAsync()
        {
            await _spool.DeletedAsync();
            foreach ((string label, SpooledUpdate update) in _kept)
            {
                Assert.Equal(label, LabelOf(update));
                AssertWhole(update);
            }

            long files = ((string[])["run0", "run1"]).SelectMany(run => _folder.Segments(run)).Sum(file => new FileInfo(file).Length);
            long uploads = _sent.Keys.Sum(label => SpoolFormat.FileHeaderLength + SpoolFormat.RecordHeaderLength + label.Length + UploadLength);
            Assert.Equal(files + uploads, _spool.BytesOnDisk);
        }

        public async Task ReleaseAllAsync()
        {
            foreach (SpooledUpdate update in _kept.Values) update.Release();
            await _spool.DeletedAsync();
            Assert.Empty(_folder.Segments("run0"));
            Assert.Empty(_folder.Segments("run1"));
        }

        public void Dispose()
        {
            _spool.Dispose();
            _folder.Dispose();
        }

        private Spool Open(out IReadOnlyList<SpooledUpdate> recovered) => _folder.Open(out recovered, options => options with { SegmentBytes = 30_000 });

        private void Reopen()
        {
            _spool.Dispose();
            _spool = Open(out IReadOnlyList<SpooledUpdate> recovered);
            var expected = _kept.Keys.ToHashSet();
            _kept.Clear();
            foreach (SpooledUpdate update in recovered)
            {
                // What was given up beside others is found again, and given up again.
                if (_released.Contains(LabelOf(update))) update.Release();
                else _kept.Add(LabelOf(update), update);
            }

            Assert.Equal(expected, _kept.Keys.ToHashSet());
            Assert.All(_folder.Damage, damage => Assert.True(damage.IsTail));
        }
    }
}
