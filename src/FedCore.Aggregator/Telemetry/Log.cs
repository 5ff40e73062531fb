using Microsoft.Extensions.Logging;

namespace FedCore.Aggregator.Telemetry;

/// <summary>What an aggregator writes to its log. An event's number stays what it is.</summary>
internal static partial class Log
{
    [LoggerMessage(1, LogLevel.Information, "The aggregator serves {Addresses}; its data is in {Folder}")]
    public static partial void Started(ILogger logger, string addresses, string folder);

    [LoggerMessage(2, LogLevel.Warning, "{Address} is served without TLS to other machines (allowInsecure): everybody on the way can read tokens and updates")]
    public static partial void Insecure(ILogger logger, string address);

    [LoggerMessage(3, LogLevel.Information, "A token for coordinators was written to {Path}")]
    public static partial void CoordinatorToken(ILogger logger, string path);

    [LoggerMessage(4, LogLevel.Warning, "The spool holds damaged bytes: {Path} from byte {Offset}, {Length} bytes")]
    public static partial void SpoolDamaged(ILogger logger, string path, long offset, long length);

    [LoggerMessage(5, LogLevel.Information, "Loaded the plug-in {Assembly} {Version} from {Path} (SHA-256 {Digest})")]
    public static partial void PlugInLoaded(ILogger logger, string assembly, Version version, string path, string digest);

    [LoggerMessage(6, LogLevel.Error, "The journal cannot be reached: {Reason}")]
    public static partial void JournalIsAway(ILogger logger, string reason);

    [LoggerMessage(7, LogLevel.Information, "The journal can be reached again")]
    public static partial void JournalIsBack(ILogger logger);

    [LoggerMessage(8, LogLevel.Error, "Calls that waited long, tasks that fell silent or models that nobody needs could not be seen to; it is tried again in a moment")]
    public static partial void SweepFailed(ILogger logger, Exception fault);

    [LoggerMessage(9, LogLevel.Information, "Sites are those of roster {Serial} of {Federation}, {Sites} of them")]
    public static partial void RosterRead(ILogger logger, long serial, string federation, int sites);

    [LoggerMessage(29, LogLevel.Error, "The roster does not count ({Code}), and no site can join until it does: {Reason}")]
    public static partial void RosterNotRead(ILogger logger, string code, string reason);

    [LoggerMessage(30, LogLevel.Warning, "Run {Run} sums securely without a roster: sites believe this aggregator about who the others are, and those that pin a roster may refuse each other: curious server only")]
    public static partial void CuriousServerOnly(ILogger logger, string run);

    [LoggerMessage(39, LogLevel.Warning, "Run {Run}: its {Warning}")]
    public static partial void WeakPromise(ILogger logger, string run, string warning);

    [LoggerMessage(40, LogLevel.Information, "The privacy ledger {Path} has {Entries} entries, the last with the hash {Head}")]
    public static partial void LedgerOpened(ILogger logger, string path, int entries, string head);

    [LoggerMessage(10, LogLevel.Information, "Run {Run} was created by a coordinator: {Hash}, {Sites} sites")]
    public static partial void RunCreated(ILogger logger, string run, string hash, int sites);

    [LoggerMessage(11, LogLevel.Information, "Run {Run} goes on behind round {Round}")]
    public static partial void RunRecovered(ILogger logger, string run, int round);

    [LoggerMessage(12, LogLevel.Information, "Run {Run}, round {Round} ended: committed {Committed}, {Contributors} contributors, {Reason}")]
    public static partial void RoundEnded(ILogger logger, string run, int round, bool committed, int contributors, string reason);

    [LoggerMessage(13, LogLevel.Information, "Run {Run} ended: {Code}, {Message}")]
    public static partial void RunEnded(ILogger logger, string run, string code, string message);

    [LoggerMessage(14, LogLevel.Warning, "Run {Run} failed: {Code}, {Message}")]
    public static partial void RunFailed(ILogger logger, string run, string code, string message);

    [LoggerMessage(15, LogLevel.Error, "Run {Run} is held up; it is tried again in {Seconds} s")]
    public static partial void RunHeldUp(ILogger logger, string run, double seconds, Exception fault);

    [LoggerMessage(16, LogLevel.Error, "Run {Run} cannot go on: {Code}, {Message} Put back what it needs and start the aggregator anew, or cancel the run")]
    public static partial void RunCannotGoOn(ILogger logger, string run, string code, string message);

    [LoggerMessage(20, LogLevel.Information, "Site {Site} joined with {Software}, {Cores} cores, {Memory} bytes of memory")]
    public static partial void SiteJoined(ILogger logger, string site, string software, int? cores, long? memory);

    [LoggerMessage(21, LogLevel.Warning, "Site {Site} at {Peer} was refused: {Reason}")]
    public static partial void SiteRefused(ILogger logger, string site, string peer, string reason);

    [LoggerMessage(22, LogLevel.Warning, "A call of {Method} from {Peer} was refused: {Reason}")]
    public static partial void CallRefused(ILogger logger, string method, string peer, string reason);

    [LoggerMessage(23, LogLevel.Debug, "Site {Site}: task {Task} of run {Run}, round {Round} was offered")]
    public static partial void TaskOffered(ILogger logger, string site, string task, string run, int round);

    [LoggerMessage(24, LogLevel.Debug, "Site {Site}: task {Task} of run {Run} was answered with {Length} bytes")]
    public static partial void UpdateAccepted(ILogger logger, string site, string task, string run, long length);

    [LoggerMessage(25, LogLevel.Warning, "Site {Site}: the update for task {Task} of run {Run} was refused: {Code}, {Reason}")]
    public static partial void UpdateRefused(ILogger logger, string site, string task, string run, string code, string reason);

    [LoggerMessage(26, LogLevel.Information, "Site {Site} declined task {Task} of run {Run}: {Reason}")]
    public static partial void TaskDeclined(ILogger logger, string site, string task, string run, string reason);

    [LoggerMessage(27, LogLevel.Information, "Site {Site} was added, or has another token")]
    public static partial void SiteChanged(ILogger logger, string site);
}
