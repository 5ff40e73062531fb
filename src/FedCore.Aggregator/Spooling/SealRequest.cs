using FedCore.Aggregator.Storage;

namespace FedCore.Aggregator.Spooling;

/// <summary>A complete upload that is to become a segment.</summary>
/// <param name="run">The run.</param>
/// <param name="file">The upload's file, which is closed whatever comes of it.</param>
internal sealed class SealRequest(SpoolRun run, StagedFile file)
{
    private readonly TaskCompletionSource<SpooledUpdate> _done = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private string? _path;

    public Task<SpooledUpdate> Done => _done.Task;

    /// <summary>Makes uploads durable, and then their names, a folder's all at once.</summary>
    /// <returns>How many files and folders were synced.</returns>
    public static int Commit(List<SealRequest> requests, Disk disk)
    {
        int folders = 0;
        foreach (IGrouping<SpoolRun, SealRequest> group in requests.Where(request => request.TryMove(disk)).GroupBy(request => request.Run))
        {
            SealRequest[] moved = [.. group];
            folders++;
            try
            {
                disk.SyncFolder(group.Key.Folder);
            }
            catch (Exception fault)
            {
                foreach (SealRequest request in moved) request.Fail(fault);
                continue;
            }

            foreach (SealRequest request in moved) request.Succeed();
        }

        return requests.Count + folders;
    }

    private SpoolRun Run => run;

    private bool TryMove(Disk disk)
    {
        try
        {
            file.Sync(disk);
            string path = run.NextPath();
            File.Move(file.Path, path);
            _path = path;
            return true;
        }
        catch (Exception fault)
        {
            Fail(fault);
            return false;
        }
        finally
        {
            file.Dispose();
        }
    }

    private void Succeed() =>
        _done.SetResult(new SpooledUpdate(new Segment(run, _path!, file.FullLength, records: 1), file.Start, file.Head));

    // What was not confirmed may not be what was sent, though it reads so now: the client sends all of it again.
    private void Fail(Exception fault)
    {
        run.Count(-file.FullLength);
        SpoolRun.Delete(_path ?? file.Path);
        _done.SetException(fault is IOException or UnauthorizedAccessException ? SpoolFaults.NotSynced(_path ?? file.Path, fault) : fault);
    }
}
