using System.Globalization;
using System.Runtime.CompilerServices;
using FedCore.Cli.Commands;
using FedCore.Naming;
using FedCore.Protocol.V1;
using FedCore.Rounds;
using FedCore.Training;
using Grpc.Core;

namespace FedCore.Cli.Service;

/// <summary>Shows the facts of a run as they come. A connection that is lost is made anew, and the watch goes on where it was.</summary>
internal static class RunWatch
{
    private static readonly TimeSpan RetryAfter = TimeSpan.FromSeconds(2);
    private const int MostRetries = 150, MostAtStart = 5;

    /// <summary>Watches a run to its end.</summary>
    /// <returns>0 where it ended well, otherwise the exit code of a run that failed.</returns>
    public static async Task<int> ToEndAsync(AdminConnection connection, string run, bool json, TextWriter output, CancellationToken ct)
    {
        RunEnded? end = null;
        await foreach ((RunEvent fact, string text) in FactsAsync(connection, run, Registry.CreateDefault().AddTraining(), ct))
        {
            end = fact as RunEnded;
            if ((json ? text : Line(fact)) is { } line) await output.WriteLineAsync(line);
            await output.FlushAsync(ct);
        }

        Run last = await connection.CallAsync(c => c.Admin.GetRunAsync(new RunRequest { RunId = run }, cancellationToken: ct).ResponseAsync, ct);
        if (json) await output.WriteLineAsync(RunCommand.ToJson(last));
        else if (last.Model is { } model) await output.WriteLineAsync($"Its model: {ModelCommand.DigestOf(model)}. Fetch it with: fedcore model get {run}");
        return end!.IsSuccess ? 0 : (int)FaultKind.RunFailed;
    }

    /// <summary>The facts of a run from its beginning to its end, with what was written of them.</summary>
    public static async IAsyncEnumerable<(RunEvent Fact, string Json)> FactsAsync(AdminConnection connection, string run, Registry registry, [EnumeratorCancellation] CancellationToken ct)
    {
        var facts = new RunEventJson(registry);
        RunEnded? end = null;
        long sequence = 0;
        for (int lost = 0; end is null;)
        {
            using AsyncServerStreamingCall<RunFact> call = connection.Admin.WatchRun(new WatchRunRequest { RunId = run, AfterSequence = sequence }, cancellationToken: ct);
            while (true)
            {
                try
                {
                    if (!await call.ResponseStream.MoveNext(ct)) break;
                }
                catch (RpcException fault) when (fault.StatusCode is StatusCode.Cancelled && ct.IsCancellationRequested)
                {
                    throw new OperationCanceledException(ct);
                }
                catch (RpcException fault)
                {
                    if (fault.StatusCode != StatusCode.Unavailable || ++lost > (sequence == 0 ? MostAtStart : MostRetries)) throw connection.Translate(fault);
                    await Task.Delay(RetryAfter, ct);
                    break;
                }

                RunFact fact = call.ResponseStream.Current;
                (sequence, lost) = (fact.Sequence, 0);
                RunEvent parsed = facts.Parse(fact.Json);
                end = parsed as RunEnded ?? (parsed is RunResumed ? null : end);
                yield return (parsed, fact.Json);
            }
        }
    }

    /// <summary>A fact as a line for a person; null where it says nothing to them.</summary>
    public static string? Line(RunEvent fact) => fact switch
    {
        RoundEnded { Receipt: var receipt } => string.Create(
            CultureInfo.InvariantCulture, $"round {receipt.Round}: {(receipt.Committed ? $"{receipt.Contributors} of {receipt.Clients.Count} clients" : $"abandoned, {receipt.Reason}")}{Metrics(receipt.Metrics)}"),
        EvaluationEnded { Receipt: { Contributors: 0 } receipt } => $"  not evaluated behind round {receipt.Round}: too few took part",
        EvaluationEnded { Receipt: var receipt } => $"  evaluated behind round {receipt.Round}{Metrics(receipt.Metrics)}",
        RunResumed resumed => $"taken up again behind round {resumed.Round}",
        RunEnded end => $"{(end.IsSuccess ? "completed" : end.Code)}: {end.Message}",
        _ => null,
    };

    private static string Metrics(IReadOnlyDictionary<string, double> metrics) =>
        string.Concat(metrics.Select(metric => string.Create(CultureInfo.InvariantCulture, $", {Shown.Of(metric.Key)} {metric.Value:0.0000}")));
}
