using System.Text.Json.Serialization;
using FedCore.Privacy.Accounting.Events;
using FedCore.SecureAggregation.Messages;
using FedCore.SecureAggregation.Sessions;

namespace FedCore.Rounds;

/// <summary>A fact of a run, written to the journal before it is acted on. A run's state is the fold of its facts.</summary>
[JsonPolymorphic(TypeDiscriminatorPropertyName = "fact")]
[JsonDerivedType(typeof(RunOpened), "runOpened")]
[JsonDerivedType(typeof(RunResumed), "runResumed")]
[JsonDerivedType(typeof(RoundOpened), "roundOpened")]
[JsonDerivedType(typeof(ClientAsked), "clientAsked")]
[JsonDerivedType(typeof(ReplyTaken), "replyTaken")]
[JsonDerivedType(typeof(SetClosed), "setClosed")]
[JsonDerivedType(typeof(SumOpened), "sumOpened")]
[JsonDerivedType(typeof(SumStageClosed), "sumStageClosed")]
[JsonDerivedType(typeof(PrivacyReserved), "privacyReserved")]
[JsonDerivedType(typeof(RoundEnded), "roundEnded")]
[JsonDerivedType(typeof(EvaluationEnded), "evaluationEnded")]
[JsonDerivedType(typeof(CheckpointSaved), "checkpointSaved")]
[JsonDerivedType(typeof(RunEnded), "runEnded")]
public abstract record RunEvent;

/// <summary>The run began.</summary>
/// <param name="Run">SHA-256 of its canonical bytes.</param>
/// <param name="Environment">A digest of what else decides its result, such as the simulated data; empty where nothing does.</param>
/// <param name="Strategy">The names of its strategy and of the strategy's parts.</param>
public sealed record RunOpened(string Run, string Environment, string? Strategy = null) : RunEvent;

/// <summary>The run goes on behind a checkpoint; what came later does not count.</summary>
/// <param name="Round">The last round that counts.</param>
public sealed record RunResumed(int Round) : RunEvent;

/// <summary>A cohort was chosen.</summary>
/// <param name="Round">The round.</param>
/// <param name="At">When.</param>
/// <param name="Cohort">The clients' indices in the directory, in cohort order.</param>
/// <param name="Wanted">How many reports close the round.</param>
/// <param name="AtWork">In a buffered run, how many of them, the first, were asked in earlier rounds and are still at work; null otherwise.</param>
public sealed record RoundOpened(
    int Round, DateTimeOffset At, IReadOnlyList<long> Cohort, int Wanted, [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] int? AtWork = null)
    : RunEvent
{
    /// <summary>Whether it is a round of a buffered run.</summary>
    [JsonIgnore]
    public bool IsBuffered => AtWork is not null;
}

/// <summary>In a buffered run one more client was asked. It stands behind the others in the round's cohort.</summary>
/// <param name="Round">The round.</param>
/// <param name="Client">Its index in the directory.</param>
public sealed record ClientAsked(int Round, long Client) : RunEvent;

/// <summary>A client's reply was taken: its update counts, or it will not come.</summary>
/// <param name="Round">The round.</param>
/// <param name="Position">The client's place in the cohort.</param>
/// <param name="Outcome">What became of the client.</param>
/// <param name="Reason">Why, where it did not report.</param>
/// <param name="Work">What is known of its work; null where nothing is.</param>
public sealed record ReplyTaken(
    int Round, int Position, ClientOutcome Outcome, string? Reason, [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] ClientWork? Work = null)
    : RunEvent;

/// <summary>The set of updates is final; who has not reported is late.</summary>
/// <param name="Round">The round.</param>
/// <param name="At">When.</param>
/// <param name="Reason">Why the round closed.</param>
public sealed record SetClosed(int Round, DateTimeOffset At, string Reason) : RunEvent;

/// <summary>A session of secure aggregation began. One before it, for the same sum, came to nothing.</summary>
/// <param name="Round">The round.</param>
/// <param name="Purpose">What is summed.</param>
/// <param name="Terms">The session's terms, as all sign them.</param>
/// <param name="Clients">The names of those who were invited.</param>
public sealed record SumOpened(int Round, SumPurpose Purpose, byte[] Terms, IReadOnlyList<string> Clients) : RunEvent;

/// <summary>A stage of the session is over; whose answer is not there is not waited for any longer.</summary>
/// <param name="Round">The round.</param>
/// <param name="Stage">The stage.</param>
/// <param name="Clients">The names of those whose answers count.</param>
public sealed record SumStageClosed(int Round, SessionStage Stage, IReadOnlyList<string> Clients) : RunEvent;

/// <summary>
/// The clients of a round are going to be summed with noise, or, where each protects its examples by itself, to be asked. It counts as spent from here on, whatever becomes of it.
/// </summary>
/// <param name="Round">The round.</param>
/// <param name="Noise">The noise of the sum, or of a site's steps.</param>
/// <param name="Draw">Names the drawing of the noise: another drawing for the same round costs again.</param>
/// <param name="Fresh">Names the noise that the round adds to its tree: who holds the round again from an older copy of the journal draws another one for it. Null where noise is in no tree.</param>
public sealed record PrivacyReserved(int Round, PrivacyEvent Noise, string Draw, string? Fresh = null) : RunEvent;

/// <summary>The model moved on, or the round was abandoned.</summary>
/// <param name="Receipt">The round's receipt.</param>
/// <param name="Checkpoint">The digest of the server's state behind the round, where a round counts only with it.</param>
public sealed record RoundEnded(RoundReceipt Receipt, [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] string? Checkpoint = null) : RunEvent;

/// <summary>The model was evaluated.</summary>
/// <param name="Receipt">The result.</param>
public sealed record EvaluationEnded(EvaluationReceipt Receipt) : RunEvent;

/// <summary>The server's state behind a round is safe.</summary>
/// <param name="Round">The round.</param>
/// <param name="Digest">The checkpoint's digest.</param>
public sealed record CheckpointSaved(int Round, string Digest) : RunEvent;

/// <summary>The run ended.</summary>
/// <param name="Code">A stable reason code: <c>run.completed</c>, <c>run.target-reached</c>, or a fault's.</param>
/// <param name="Message">What happened, in a sentence.</param>
public sealed record RunEnded(string Code, string Message) : RunEvent
{
    /// <summary>The code of a run that did all its rounds.</summary>
    public const string Completed = "run.completed";

    /// <summary>The code of a run whose stop rule was met.</summary>
    public const string TargetReached = "run.target-reached";

    /// <summary>The code of a run that held as many rounds as its privacy budget allowed, as it was meant to.</summary>
    public const string BudgetSpent = "run.budget-spent";

    /// <summary>Whether the run ended well.</summary>
    [JsonIgnore]
    public bool IsSuccess => Code is Completed or TargetReached or BudgetSpent;
}
