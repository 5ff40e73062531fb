using Microsoft.Extensions.Logging;

namespace FedCore.Client.Telemetry;

/// <summary>What a site's operator reads. 1xx: the client and its connection; 2xx: tasks; 3xx: updates on their way.</summary>
internal static partial class Log
{
    [LoggerMessage(100, LogLevel.Information, "FedCore {Version} starts as client {Client}, start {Start} with its data folder {Folder}")]
    public static partial void Starting(this ILogger log, string version, long start, string client, string folder);

    [LoggerMessage(101, LogLevel.Information, "Joined {Aggregator} as {Site}")]
    public static partial void Joined(this ILogger log, string site, string aggregator);

    [LoggerMessage(102, LogLevel.Information, "Joined again as {Site}")]
    public static partial void JoinedAgain(this ILogger log, string site);

    [LoggerMessage(103, LogLevel.Warning, "{What} failed: {Reason}. Trying again in {Seconds:F1} s")]
    public static partial void Retrying(this ILogger log, string what, string reason, double seconds);

    [LoggerMessage(104, LogLevel.Warning, "Everything that is sent to {Aggregator}, the token too, can be read and changed on the way: client.allowInsecure is set. Give the aggregator a certificate, and use https")]
    public static partial void Insecure(this ILogger log, string aggregator);

    [LoggerMessage(105, LogLevel.Information, "Stopping: the running task has {Seconds} s to finish")]
    public static partial void Stopping(this ILogger log, int seconds);

    [LoggerMessage(106, LogLevel.Information, "Stopped; {Updates} updates wait to be sent")]
    public static partial void Stopped(this ILogger log, int updates);

    [LoggerMessage(107, LogLevel.Warning, "{Warning}")]
    public static partial void LimitNotApplied(this ILogger log, string warning);

    [LoggerMessage(108, LogLevel.Information, "Loaded the plug-in {Assembly} {Version} from {Path} (SHA-256 {Digest})")]
    public static partial void PlugInLoaded(this ILogger log, string assembly, Version version, string path, string digest);

    [LoggerMessage(109, LogLevel.Information, "{What} go over {Protocol} from now on")]
    public static partial void OtherWay(this ILogger log, string what, string protocol);

    [LoggerMessage(110, LogLevel.Information, "Roster {Serial} of {Federation} is pinned, with {Sites} sites: secure sums are formed with these alone")]
    private static partial void RosterPinned(ILogger log, long serial, string federation, int sites);

    public static void RosterPinned(this ILogger log, FedCore.SecureAggregation.Identity.Roster roster) => RosterPinned(log, roster.Serial, Shown.Of(roster.Federation), roster.Sites.Count);

    [LoggerMessage(111, LogLevel.Information, "No roster is pinned (client.roster): secure sums believe the aggregator about who the others are, which keeps updates from a curious aggregator and not from one that lies: curious server only")]
    public static partial void NoRoster(this ILogger log);

    [LoggerMessage(112, LogLevel.Warning, "Others than its owner can read the site's identity key {Path}: who has it can sign as this site. Let its owner alone read it (chmod 400)")]
    public static partial void IdentityIsOpen(this ILogger log, string path);

    [LoggerMessage(113, LogLevel.Warning, "{Run}: privacy.{Warning}")]
    public static partial void WeakPromise(this ILogger log, string run, string warning);

    [LoggerMessage(114, LogLevel.Warning, "{Run}: {Unfit} examples do not fit what the run says of its data, and count as none beside {Examples}: the run promises privacy, so that nobody but this log may know. If there should be none, compare the run's data section with the site's")]
    public static partial void ExamplesUnfit(this ILogger log, string run, int unfit, int examples);

    [LoggerMessage(115, LogLevel.Information, "The privacy ledger {Path} has {Entries} entries, the last with the hash {Head}")]
    public static partial void LedgerOpened(this ILogger log, string path, int entries, string head);

    [LoggerMessage(116, LogLevel.Warning, "{Run}, round {Round}: what was learned is not finite, and counts as nothing: the run promises privacy, so that nobody but this log may know. Look at the data, or ask for a smaller learning rate")]
    public static partial void CountsAsNothing(this ILogger log, string run, int round);

    [LoggerMessage(200, LogLevel.Information, "{Run}, round {Round}: training on {Examples} examples, {Steps} steps")]
    public static partial void TrainingBegun(this ILogger log, string run, int round, int examples, int steps);

    [LoggerMessage(201, LogLevel.Information, "{Run}, round {Round}: evaluating on {Test} held-back and {Train} training examples")]
    public static partial void EvaluationBegun(this ILogger log, string run, int round, int test, int train);

    [LoggerMessage(202, LogLevel.Information, "{Run}, round {Round}: finished after {Seconds:F1} s; the answer has {Bytes} bytes")]
    public static partial void TaskFinished(this ILogger log, string run, int round, double seconds, long bytes);

    [LoggerMessage(203, LogLevel.Information, "{Run}, round {Round}: given up, since nobody waits for the answer any more")]
    public static partial void TaskUnwanted(this ILogger log, string run, int round);

    [LoggerMessage(204, LogLevel.Information, "{Run}, round {Round}: given up, since its deadline has passed")]
    public static partial void TaskLate(this ILogger log, string run, int round);

    [LoggerMessage(205, LogLevel.Information, "{Run}, round {Round}: parked, since the client stops; the aggregator offers it again")]
    public static partial void TaskParked(this ILogger log, string run, int round);

    [LoggerMessage(206, LogLevel.Warning, "{Run}, round {Round}: declined ({Code}). {Reason}")]
    public static partial void TaskDeclined(this ILogger log, string run, int round, string code, string reason);

    [LoggerMessage(207, LogLevel.Debug, "{Run}, round {Round}: declined again ({Code})")]
    public static partial void TaskDeclinedAgain(this ILogger log, string run, int round, string code);

    [LoggerMessage(208, LogLevel.Error, "{Run}, round {Round}: declined, since the trainer failed")]
    public static partial void TaskFailed(this ILogger log, string run, int round, Exception fault);

    [LoggerMessage(209, LogLevel.Warning, "A task was offered that is none: {Reason}")]
    public static partial void OfferRefused(this ILogger log, string reason);

    [LoggerMessage(210, LogLevel.Information, "The run {Run} ({Hash}) is known: {Name}")]
    public static partial void RunKnown(this ILogger log, string run, string hash, string name);

    [LoggerMessage(211, LogLevel.Debug, "The memory of the run {Run} is given back")]
    public static partial void RunFreed(this ILogger log, string run);

    [LoggerMessage(212, LogLevel.Warning, "{Run} begins anew with round 1: what this site kept from its round {Last} is dropped")]
    public static partial void StateDropped(this ILogger log, string run, int last);

    [LoggerMessage(213, LogLevel.Debug, "The progress of the task {Task} could not be reported: {Reason}")]
    public static partial void NotReported(this ILogger log, string task, string reason);

    [LoggerMessage(214, LogLevel.Information, "{What} has come, {Bytes} bytes")]
    public static partial void Downloaded(this ILogger log, string what, long bytes);

    [LoggerMessage(215, LogLevel.Information, "The run {Run} is over: what this site kept of it is dropped")]
    public static partial void RunOver(this ILogger log, string run);

    [LoggerMessage(216, LogLevel.Warning, "What this site keeps of runs that are over stays where it is: {Reason}. Look at the rights in the data folder; it is tried again later")]
    public static partial void StateNotDropped(this ILogger log, string reason);

    [LoggerMessage(217, LogLevel.Information, "{Run}, round {Round}: takes part in a secure sum ({Purpose}) of {Invited} clients, threshold {Threshold}, attempt {Attempt}; who they are: {Identities}")]
    public static partial void SumBegun(this ILogger log, string run, int round, FedCore.SecureAggregation.Messages.SumPurpose purpose, int invited, int threshold, int attempt, string identities);

    [LoggerMessage(218, LogLevel.Debug, "{Run}, round {Round}: the message {Stage} of the secure sum is answered after {Seconds:F3} s, with {Bytes} bytes")]
    public static partial void ExchangeAnswered(this ILogger log, string run, int round, FedCore.Protocol.V1.ExchangeStage stage, double seconds, long bytes);

    [LoggerMessage(300, LogLevel.Information, "{Run}, round {Round}: the answer was sent, {Bytes} bytes")]
    public static partial void UpdateSent(this ILogger log, string run, int round, long bytes);

    [LoggerMessage(301, LogLevel.Information, "{Run}, round {Round}: the answer is dropped, since nobody waits for it any more")]
    public static partial void UpdateUnwanted(this ILogger log, string run, int round);

    [LoggerMessage(302, LogLevel.Error, "{Run}, round {Round}: the aggregator refuses the answer, which is dropped: {Reason}")]
    public static partial void UpdateRefused(this ILogger log, string run, int round, string reason);

    [LoggerMessage(303, LogLevel.Error, "{Run}, round {Round}: the answer is lost: {Reason}")]
    public static partial void UpdateLost(this ILogger log, string run, int round, string reason);

    [LoggerMessage(304, LogLevel.Information, "{Run}, round {Round}: the update counts; what was learned for it is kept")]
    public static partial void UpdateCounts(this ILogger log, string run, int round);

    [LoggerMessage(305, LogLevel.Information, "{Run}, round {Round}: the update does not count; what was learned for it is dropped")]
    public static partial void UpdateDoesNotCount(this ILogger log, string run, int round);

    [LoggerMessage(306, LogLevel.Error, "{Folder} holds an update that cannot be read; it is dropped, and the task done anew where it is still wanted")]
    public static partial void BrokenUpdate(this ILogger log, string folder);

    [LoggerMessage(307, LogLevel.Information, "{Updates} updates of an earlier start wait to be sent, {Unsettled} were sent and are not settled")]
    public static partial void OutboxFound(this ILogger log, int updates, int unsettled);

    [LoggerMessage(308, LogLevel.Warning, "{Run}, round {Round}: sending the answer broke off ({Reason}) and goes on at byte {Offset} of {Bytes}")]
    public static partial void UpdateGoesOn(this ILogger log, string run, int round, long offset, long bytes, string reason);
}
