using System.Threading.Channels;
using FedCore.Compression;
using FedCore.Models;
using FedCore.Numerics;
using FedCore.Privacy.Sampling;
using FedCore.SecureAggregation.Identity;
using FedCore.SecureAggregation.Messages;
using FedCore.SecureAggregation.Ring;
using FedCore.SecureAggregation.Sessions;
using FedCore.Strategies;
using FedCore.Updates;

namespace FedCore.Rounds;

/// <summary>
/// The clients as the round engine sees them, simulated or remote. Every task that was sent gets exactly one reply, at the latest when the fleet takes
/// the client for lost, unless the task is withdrawn before.
/// </summary>
public interface IFleet
{
    /// <summary>All clients.</summary>
    IClientDirectory Clients { get; }

    /// <summary>The clients' replies.</summary>
    ChannelReader<FleetReply> Replies { get; }

    /// <summary>Whether updates that were replied outlast the process, so that an open round can be gone on with.</summary>
    bool KeepsUpdates => false;

    /// <summary>Waits until a round may be opened: while nobody holds the run up and enough clients are there.</summary>
    /// <param name="needed">How many clients must be there for the round to count.</param>
    /// <param name="abandoned">How many rounds in a row were abandoned before it. Real clients need time, and their owners more, to mend what is wrong with them.</param>
    /// <param name="ct">Cancels the waiting.</param>
    /// <returns>A task that ends when the round may be opened.</returns>
    ValueTask WaitAsync(int needed, int abandoned, CancellationToken ct) => ValueTask.CompletedTask;

    /// <summary>Finds the update that was replied to a task before the process ended.</summary>
    /// <param name="from">The client.</param>
    /// <param name="task">The task, made again from the run's facts.</param>
    /// <returns>The update; null where it is not there.</returns>
    IUpdateSource? Recall(ClientDescriptor from, TrainTask task) => null;

    /// <summary>Hands a task to a client.</summary>
    /// <param name="to">The client.</param>
    /// <param name="task">The task.</param>
    /// <param name="ct">Cancels the sending.</param>
    /// <returns>A task that ends when the fleet has taken it over.</returns>
    ValueTask SendAsync(ClientDescriptor to, SiteTask task, CancellationToken ct);

    /// <summary>Says that the answer to a task is no longer wanted.</summary>
    /// <param name="task">A task that has no reply yet.</param>
    void Withdraw(SiteTask task);

    /// <summary>Whose signatures are believed under secure aggregation; null where the fleet has none.</summary>
    ISiteIdentities? Identities => null;

    /// <summary>
    /// SHA-256 of what a client was given to do, which the client computes too of what it was given: the same for all whose results are summed securely. Where all clients are in this process
    /// nobody could have given them something else, and it is zeros.
    /// </summary>
    /// <param name="task">A task for training or evaluation that was sent.</param>
    /// <returns>32 bytes.</returns>
    ReadOnlyMemory<byte> AssignmentOf(SiteTask task) => new byte[SessionTerms.HashLength];

    /// <summary>
    /// Says that the answer to a message of secure aggregation is not needed any more: the session came to nothing, and another one follows. What a session was left with that came to
    /// a sum is needed until the task whose result it summed is done with, in case the process ends before the sum is safe.
    /// </summary>
    /// <param name="task">The task, answered or withdrawn.</param>
    void Release(ExchangeTask task)
    {
    }

    /// <summary>Says what became of an update. What the client kept for it counts only if the update does.</summary>
    /// <param name="task">A training task that was reported, when its round has ended.</param>
    /// <param name="counts">Whether the update is part of the model.</param>
    void Settle(TrainTask task, bool counts);
}

/// <summary>A piece of work for a client.</summary>
/// <param name="Round">The round it belongs to, from 1.</param>
/// <param name="Position">The client's place in the cohort, from 0.</param>
/// <param name="CohortSize">Number of clients that were asked.</param>
/// <param name="Model">The global model, at the version of this round; read only, and the same until the tasks of its kind in the round are done.</param>
/// <param name="Layout">The sections of the answer.</param>
/// <param name="Deadline">When the answer must be there; null for no limit.</param>
public abstract record SiteTask(int Round, int Position, int CohortSize, ModelState Model, UpdateLayout Layout, DateTimeOffset? Deadline);

/// <summary>Train on the site's data and send an update.</summary>
/// <param name="Work">What the strategy planned for this client.</param>
/// <param name="Round">The round it belongs to, from 1.</param>
/// <param name="Position">The client's place in the cohort, from 0.</param>
/// <param name="CohortSize">Number of clients that were asked.</param>
/// <param name="Model">The global model.</param>
/// <param name="Layout">The sections of the answer.</param>
/// <param name="Deadline">When the answer must be there.</param>
public sealed record TrainTask(
    ClientTask Work, int Round, int Position, int CohortSize, ModelState Model, UpdateLayout Layout, DateTimeOffset? Deadline)
    : SiteTask(Round, Position, CohortSize, Model, Layout, Deadline)
{
    /// <summary>The vectors of the server that go along with the model, by name; like the model they stand still meanwhile.</summary>
    public IReadOnlyDictionary<string, FlatVector> Broadcasts { get; init; } = NoBroadcasts;

    /// <summary>
    /// Where random bytes come from on which the privacy of examples rests, by purpose: batches and noise. By default the operating system's generator; only a simulation, which protects nobody, has others.
    /// </summary>
    public Func<string, RandomBytes> PrivateRandom { get; init; } = static _ => new SystemRandomBytes();

    private static readonly Dictionary<string, FlatVector> NoBroadcasts = [];
}

/// <summary>Evaluate the model on the site's data and send metric sums.</summary>
/// <param name="Splits">On which examples.</param>
/// <param name="Round">The round it belongs to, from 1.</param>
/// <param name="Position">The client's place in the cohort, from 0.</param>
/// <param name="CohortSize">Number of clients that were asked.</param>
/// <param name="Model">The global model.</param>
/// <param name="Layout">The sections of the answer.</param>
public sealed record EvaluateTask(
    IReadOnlyList<DataSplit> Splits, int Round, int Position, int CohortSize, ModelState Model, UpdateLayout Layout)
    : SiteTask(Round, Position, CohortSize, Model, Layout, null)
{
    /// <summary>Training of a copy before the evaluation; null for none.</summary>
    public FineTuning? FineTune { get; init; }
}

/// <summary>Take part in a session of secure aggregation: answer one of its messages.</summary>
/// <param name="Of">The task whose result is summed.</param>
/// <param name="Terms">The session's terms; null in a simulation that sums in the ring without masks, which asks for <see cref="SessionStage.Mask"/> alone.</param>
/// <param name="Stage">Which message is due.</param>
/// <param name="Message">What the client gets.</param>
/// <param name="Ring">How the result is written into the ring.</param>
/// <param name="Deadline">When the answer must be there.</param>
public sealed record ExchangeTask(SiteTask Of, SessionTerms? Terms, SessionStage Stage, ReadOnlyMemory<byte> Message, UpdateRing Ring, DateTimeOffset? Deadline)
    : SiteTask(Of.Round, Of.Position, Of.CohortSize, Of.Model, Of.Layout, Deadline)
{
    /// <summary>Where the result is, if the client said so when it was ready.</summary>
    public IUpdateSource? Result { get; init; }

    /// <summary>What the session sums.</summary>
    public SumPurpose Purpose => Of is TrainTask ? SumPurpose.Update : SumPurpose.Evaluation;

    /// <summary>The most bytes that an answer can have.</summary>
    public long MostBytes => Terms is null || Stage == SessionStage.Mask ? Ring.Encoding.ByteLength : RoundMessages.MostBytesUp(Terms, Stage);
}

/// <summary>A client's answer to a message of secure aggregation: on its way, in a file, or, in a simulation, computed when it is wanted.</summary>
public interface IExchangeAnswer
{
    /// <summary>Makes the answer readable.</summary>
    /// <param name="ct">Cancels the opening.</param>
    /// <returns>The bytes, which the caller disposes of.</returns>
    /// <exception cref="FedCoreException">The client refuses, or has no answer; the session goes on without it.</exception>
    ValueTask<IEncodedUpdate> OpenAsync(CancellationToken ct);
}

/// <summary>A client's answer to a task.</summary>
/// <param name="Task">The task.</param>
/// <param name="Outcome">What became of it.</param>
/// <param name="Update">Where the answer can be read, when there is one.</param>
/// <param name="Reason">Why there is none, otherwise.</param>
/// <param name="Steps">How many steps a training client took, where it says so.</param>
/// <param name="PlannedSteps">How many steps its task came to on its examples, where it says so.</param>
public sealed record FleetReply(
    SiteTask Task, ClientOutcome Outcome, IUpdateSource? Update = null, string? Reason = null, int? Steps = null, int? PlannedSteps = null)
{
    /// <summary>The answer to an <see cref="ExchangeTask"/>, when there is one.</summary>
    public IExchangeAnswer? Answer { get; init; }
}

/// <summary>What became of a client in a round.</summary>
public enum ClientOutcome
{
    /// <summary>It has not answered.</summary>
    Pending,

    /// <summary>Its answer counts.</summary>
    Reported,

    /// <summary>It was not done when the round closed.</summary>
    Late,

    /// <summary>It vanished.</summary>
    Lost,

    /// <summary>It did not want to, or could not, take part.</summary>
    Declined,

    /// <summary>Its answer could not be used.</summary>
    Refused,
}
