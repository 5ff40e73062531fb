using System.Diagnostics;

namespace FedCore.Hosting.Telemetry;

/// <summary>The names under which FedCore's programs are observed, and their activities.</summary>
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

    /// <summary>The tag of what kind of task it is: <c>train</c>, <c>evaluate</c> or <c>exchange</c>.</summary>
    public const string TaskKind = "fedcore.task.kind";

    /// <summary>The tag of bytes that were sent.</summary>
    public const string Bytes = "fedcore.bytes";

    /// <summary>The tag of what became of it.</summary>
    public const string Outcome = "fedcore.outcome";

    /// <summary>The tag of why something was not done: a reason code.</summary>
    public const string Reason = "error.type";

    /// <summary>The metadata field, of calls and of their ends, that says which activity they are a part of (W3C Trace Context).</summary>
    public const string ParentField = "traceparent";

    private static readonly ActivitySource Source = new(Name);

    /// <summary>Whether somebody wants to know of activities.</summary>
    public static bool IsObserved => Source.HasListeners();

    /// <summary>The activity that is going on here; null where none of FedCore's is, or nobody wants to know.</summary>
    public static Activity? Current => Activity.Current is { Source.Name: Name } current ? current : null;

    /// <summary>Starts an activity of the work that goes on here, until it is disposed of.</summary>
    /// <param name="name">The activity's name.</param>
    /// <param name="kind">Which side of a call it is.</param>
    /// <param name="parent">What it is a part of, as <see cref="ParentField"/> says it; null for what goes on here.</param>
    /// <returns>The activity; null where nobody wants to know.</returns>
    public static Activity? Start(string name, ActivityKind kind, string? parent = null)
    {
        ActivityContext.TryParse(parent, null, isRemote: true, out ActivityContext context);
        return Source.StartActivity(name, kind, context);
    }

    /// <summary>Starts an activity that outlasts the work that starts it, until it is stopped.</summary>
    /// <inheritdoc cref="Start"/>
    public static Activity? StartDetached(string name, ActivityKind kind, string? parent = null)
    {
        if (!IsObserved) return null;
        Activity? here = Activity.Current;
        Activity.Current = null;
        Activity? started = Start(name, kind, parent);
        Activity.Current = here;
        return started;
    }

    /// <summary>Says which run and round an activity is of.</summary>
    public static Activity Of(this Activity activity, string run, int round) => activity.SetTag(Run, run).SetTag(Round, round);

    /// <summary>Says what became of an activity, and ends it.</summary>
    public static void End(this Activity activity, string outcome)
    {
        Activity? here = Activity.Current;
        activity.SetTag(Outcome, outcome).Stop();
        Activity.Current = here;
    }
}
