namespace FedCore.Client.Tasks;

/// <summary>
/// Tells work that gets on from work that hangs, by the batches that a trainer has done, without knowing how fast it is: what takes many times as long as the
/// slowest batch before it hangs. Work whose batches nobody counts gets on.
/// </summary>
/// <param name="clock">Times the batches.</param>
/// <param name="patience">How long may pass in any case.</param>
/// <param name="batches">The batches that were done before; null where they are not counted.</param>
internal sealed class WorkProgress(TimeProvider clock, TimeSpan patience, long? batches)
{
    // Ten times the slowest batch; and for the first one, of which nothing is known, ten times the patience.
    private const int Factor = 10;

    private long? _batches = batches;
    private long _looked = clock.GetTimestamp();
    private TimeSpan? _slowest;

    /// <summary>How long no batch has come to its end.</summary>
    public TimeSpan Silence { get; private set; }

    /// <summary>Looks at the work, as is to be done several times within the patience.</summary>
    /// <param name="now">The batches that were done.</param>
    /// <returns>Whether it hangs.</returns>
    public bool Hangs(long? now)
    {
        // Long after the last look the process itself stood still, and the work with it.
        TimeSpan passed = clock.GetElapsedTime(_looked), most = patience / 2;
        _looked = clock.GetTimestamp();
        Silence += passed < most ? passed : most;
        if (now is null || now != _batches)
        {
            if (_slowest is null || Silence > _slowest) _slowest = Silence;
            (_batches, Silence) = (now, TimeSpan.Zero);
            return false;
        }

        TimeSpan limit = Factor * (_slowest ?? patience);
        return Silence > (limit > patience ? limit : patience);
    }
}
