namespace FedCore.Benchmarks.Service;

/// <summary>
/// What a federated round costs the aggregator: <c>fedcore aggregator</c> in a process of its own, with journal, synced spool and tokens, and its sites in two
/// processes on the same cores. The data folder lies in the system's folder for temporary files, which should be on a disk.
/// </summary>
internal static class ServiceSuite
{
    public const string Name = "service";

    public static void Run(Figures figures) => RunAsync(figures).GetAwaiter().GetResult();

    private static async Task RunAsync(Figures figures)
    {
        await RoundFigures.SmallAsync(figures);
        await RoundFigures.LargeAsync(figures);
        await IdleFigures.RunAsync(figures);
        await WireFigures.RunAsync(figures);
        await RoundFigures.HugeAsync(figures);
    }
}
