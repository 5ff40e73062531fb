using FedCore.Client.Outbox;
using FedCore.Client.State;
using FedCore.Client.Storage;
using FedCore.Client.Tests.Fakes;
using FedCore.Tests;
using Microsoft.Win32.SafeHandles;

namespace FedCore.Client.Tests.Outbox;

/// <summary>What of an update is on the disk when it counts as finished: a loss of power takes whatever was not synced.</summary>
public sealed class DurabilityTests : IDisposable
{
    private const string Task = "0123456789abcdef0123456789abcdef";

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void All_files_and_folders_of_an_update_are_synced_before_it_has_its_name_and_the_name_before_it_counts()
    {
        var disk = new WatchedDisk();
        using DataFolder folder = DataFolder.Open(_folder["data"], disk);
        var outbox = new UpdateOutbox(folder, TimeProvider.System, new LogLines());
        using var state = new SiteState(_folder["state"]);
        state.Begin();
        state.Vector("sum", 100).AsSpan().Fill(1);
        using UpdateDraft draft = outbox.Begin(Task);
        draft.Bytes.GetSpan(1000)[..1000].Fill(2);
        draft.Bytes.Advance(1000);
        draft.Seal().Dispose();
        draft.Complete(
            new UpdateRecord { Task = Task, Run = "run", Hash = new('a', 64), IsTraining = true, Round = 1, Position = 0, Digest = "", Length = 0, Finished = TimeProvider.System.GetUtcNow() },
            state);
        Assert.Equal(["state/sum.f32", "update.bin", "update.json"], disk.Files);
        Assert.Empty(disk.Lost);
        Assert.True(disk.IsDurable(folder.Outbox), "The folder was not synced behind the move.");
    }

    /// <summary>Knows what a loss of power would leave: files as long as they were, and folders with the names that they had, when they were synced.</summary>
    private sealed class WatchedDisk : Disk
    {
        private readonly Dictionary<string, long> _files = [];
        private readonly Dictionary<string, string> _folders = [];

        /// <summary>The files that a draft has when it becomes an update.</summary>
        public string[] Files { get; private set; } = [];

        /// <summary>What of the draft would be lost then.</summary>
        public string[] Lost { get; private set; } = [];

        /// <summary>Whether a folder's names are on the disk.</summary>
        public bool IsDurable(string folder) => _folders.GetValueOrDefault(folder) == NamesIn(folder);

        public override void Sync(SafeFileHandle file, string path)
        {
            base.Sync(file, path);
            _files[path] = RandomAccess.GetLength(file);
        }

        public override void SyncFolder(string path)
        {
            base.SyncFolder(path);
            _folders[path] = NamesIn(path);
        }

        protected override void Before(string change)
        {
            if (!change.StartsWith("move ", StringComparison.Ordinal)) return;
            string[] places = change["move ".Length..].Split(" to ");
            if (_files.Remove(places[0], out long length)) _files[places[1]] = length;
            string draft = places[0];
            if (!draft.EndsWith(UpdateDraft.Suffix, StringComparison.Ordinal)) return;
            string[] files = Directory.GetFiles(draft, "*", SearchOption.AllDirectories), folders = [draft, .. Directory.GetDirectories(draft, "*", SearchOption.AllDirectories)];
            Files = [.. files.Select(file => Path.GetRelativePath(draft, file).Replace('\\', '/')).Order(StringComparer.Ordinal)];
            Lost = [.. files.Where(file => _files.GetValueOrDefault(file, -1) != new FileInfo(file).Length), .. folders.Where(folder => !IsDurable(folder))];
        }

        private static string NamesIn(string folder) => string.Join('\n', Directory.EnumerateFileSystemEntries(folder).Order(StringComparer.Ordinal));
    }
}
