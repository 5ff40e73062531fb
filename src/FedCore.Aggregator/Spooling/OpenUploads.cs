namespace FedCore.Aggregator.Spooling;

/// <summary>
/// Uploads of all runs that nobody holds just now and that are open still, the last ones that were added to: who goes on with one need not have what is there read and
/// hashed again, which an update in pieces, each a call of its own, would cost at every piece. Safe for many threads.
/// </summary>
/// <param name="most">How many at most; of more than that those are closed that have waited longest. Each is an open file and some 100 KB.</param>
internal sealed class OpenUploads(int most)
{
    private readonly Lock _gate = new();
    private readonly LinkedList<StagedUpload> _uploads = [];

    /// <summary>Keeps an upload open, and closes another where there are too many. Under no lock of a run's uploads.</summary>
    public void Add(StagedUpload upload)
    {
        StagedUpload? oldest = null;
        lock (_gate)
        {
            _uploads.AddLast(upload);
            if (_uploads.Count > most)
            {
                oldest = _uploads.First!.Value;
                _uploads.RemoveFirst();
            }
        }

        oldest?.Close();
    }

    /// <summary>Takes note that somebody holds an upload again, or that it is gone.</summary>
    public void Remove(StagedUpload upload)
    {
        lock (_gate) _uploads.Remove(upload);
    }
}
