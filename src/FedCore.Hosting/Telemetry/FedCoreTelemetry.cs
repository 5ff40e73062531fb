using System.Diagnostics;

namespace FedCore.Hosting.Telemetry;

/// <summary>The names under which FedCore's programs are observed.</summary>
internal static class FedCoreTelemetry
{
    /// <summary>The name of the meter and of the activity source.</summary>
    public const string Name = "FedCore";

    /// <summary>The tag of a run, as its coordinator named it.</summary>
    public const string Run = "fedcore.run";

    /// <summary>The tag of a round.</summary>
    public const string Round = "fedcore.round";

    /// <summary>The tag of a site.</summary>
    public const string Site = "fedcore.site";

    /// <summary>The tag of what kind of task it is: <c>train</c> or <c>evaluate</c>.</summary>
    public const string TaskKind = "fedcore.task.kind";

    /// <summary>The tag of what became of it.</summary>
    public const string Outcome = "fedcore.outcome";

    /// <summary>The tag of why something was not done: a reason code.</summary>
    public const string Reason = "error.type";

    /// <summary>The metadata field, of calls and of their ends, that says which activity they are a part of (W3C Trace Context).</summary>
    public const string ParentField = "traceparent";

    /// <summary>The source of activities.</summary>
    public static ActivitySource Activities { get; } = new(Name);

    /// <summary>Starts an activity of a task.</summary>
    /// <param name="name">The activity's name.</param>
    /// <param name="kind">Which side of a call it is.</param>
    /// <param name="parent">What it is a part of; null or unreadable for what is going on here.</param>
    /// <param name="run">The run.</param>
    /// <param name="round">The round.</param>
    /// <returns>The activity; null where nobody wants to know.</returns>
    public static Activity? Start(string name, ActivityKind kind, string? parent, string run, int round)
    {
        ActivityContext.TryParse(parent, null, isRemote: true, out ActivityContext context);
        return Activities.StartActivity(name, kind, context, [new(Run, run), new(Round, round)]);
    }
}
