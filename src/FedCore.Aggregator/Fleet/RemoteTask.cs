using System.Collections.Concurrent;
using System.Diagnostics;
using FedCore.Aggregator.Sites;
using FedCore.Aggregator.Spooling;
using FedCore.Hosting.Telemetry;
using FedCore.Protocol.V1;
using FedCore.Rounds;
using Google.Protobuf;

namespace FedCore.Aggregator.Fleet;

/// <summary>A task that a site was given, until it is answered and its round has ended.</summary>
/// <param name="id">Its name on the wire.</param>
/// <param name="fleet">The fleet of its run.</param>
/// <param name="site">Who does it.</param>
/// <param name="task">The task, as the round engine gave it.</param>
/// <param name="inputs">What goes to the client; null in an exchange.</param>
/// <param name="of">Of an exchange, the task whose result is summed.</param>
/// <param name="clock">The clock.</param>
internal sealed class RemoteTask(string id, RemoteFleet fleet, Site site, SiteTask task, TaskInputs? inputs, RemoteTask? of, TimeProvider clock)
{
    private readonly Lock _lock = new();

    // A wall clock may be set in mid-round; time stamps go on.
    private readonly TimeSpan? _limit = task.Deadline - clock.GetUtcNow();
    private readonly long _given = clock.GetTimestamp();
    private long _heard = clock.GetTimestamp();
    private State _state;
    private Activity? _activity;

    private enum State
    {
        /// <summary>An answer is waited for.</summary>
        Open,

        /// <summary>Its update is durable.</summary>
        Answered,

        /// <summary>The run is held up: whether an answer is waited for shows when it goes on.</summary>
        Held,

        /// <summary>Nobody waits for an answer.</summary>
        Closed,
    }

    public string Id => id;

    public RemoteFleet Fleet => fleet;

    public Site Site => site;

    public SiteTask Task => task;

    /// <summary>What goes to the client; null in an exchange.</summary>
    public TaskInputs? Inputs => inputs;

    /// <summary>Of an exchange, the task whose result is summed; otherwise null.</summary>
    public RemoteTask? Of => of;

    /// <summary>The exchanges in which its result is summed.</summary>
    public ConcurrentQueue<RemoteTask> Exchanges { get; } = new();

    /// <summary>The update that was accepted, or null.</summary>
    public SpooledUpdate? Update { get; private set; }

    /// <summary>What its update, also an unfinished one, is found again by. A task has one answer, so a site has no more on the disk than it was asked for.</summary>
    public ReadOnlyMemory<byte> Label { get; } = new UploadHead { TaskId = id }.ToByteArray();

    /// <summary>How long an answer is still of use; null for no limit.</summary>
    public TimeSpan? Left => _limit - clock.GetElapsedTime(_given);

    /// <summary>When something was last heard of it, as a time stamp.</summary>
    public long LastHeard => Volatile.Read(ref _heard);

    /// <summary>Whether an answer is waited for.</summary>
    public bool IsOpen => _state == State.Open;

    /// <summary>Whether its run is held up.</summary>
    public bool IsHeld => _state == State.Held;

    /// <summary>Whether its site is to keep what it has for it: also of an answered task it may not know yet that the answer came.</summary>
    public bool IsWanted => _state != State.Closed;

    /// <summary>Takes note of a sign of life.</summary>
    public void Hear(long now) => Volatile.Write(ref _heard, now);

    /// <summary>Takes note that the task goes to its site.</summary>
    /// <returns>The activity that the site's work is a part of; null where nobody wants to know.</returns>
    public string? Offer()
    {
        lock (_lock)
        {
            if (_state == State.Open) _activity ??= fleet.Trace.StartTask(this);
            return _activity?.Id;
        }
    }

    /// <summary>Takes the update that answers the task.</summary>
    /// <returns>Whether it was waited for.</returns>
    public bool TryAnswer(SpooledUpdate update)
    {
        lock (_lock)
        {
            if (_state != State.Open) return false;
            (_state, Update) = (State.Answered, update);
            _activity?.End("answered");
            return true;
        }
    }

    /// <summary>Ends the waiting for an answer.</summary>
    /// <param name="why">Why, in a word.</param>
    /// <returns>Whether an answer was waited for.</returns>
    public bool TryClose(string why)
    {
        lock (_lock)
        {
            if (_state != State.Open) return false;
            _state = State.Closed;
            _activity?.End(why);
            return true;
        }
    }

    /// <summary>Holds the task, and takes its update out.</summary>
    /// <returns>The update; null where there is none.</returns>
    public SpooledUpdate? Hold() => Detach(State.Held);

    /// <summary>Ends the task, and gives the update's room on the disk back.</summary>
    public void Release() => Detach(State.Closed)?.Release();

    private SpooledUpdate? Detach(State state)
    {
        lock (_lock)
        {
            SpooledUpdate? update = Update;
            (Update, _state) = (null, state);
            return update;
        }
    }
}

/// <summary>What goes to a client with a task.</summary>
/// <param name="Model">The model.</param>
/// <param name="Broadcasts">The strategy's vectors.</param>
internal sealed record TaskInputs(Models.StoredBlob Model, IReadOnlyList<(string Name, Models.StoredBlob Values)> Broadcasts);
