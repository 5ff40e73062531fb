using FedCore.Aggregation.Robust;
using FedCore.Aggregation.Spooling;
using FedCore.Numerics;
using FedCore.Rounds;
using FedCore.Simulation.Storage;

namespace FedCore.Simulation.Tests.Storage;

public class FileSpoolTests
{
    [Fact]
    public void Parts_come_back_from_wherever_they_were_written()
    {
        using var spool = new FileSpool(length: 1000);
        float[] values = [.. Enumerable.Range(0, 3000).Select(i => i * 0.5f)];
        for (int update = 2; update >= 0; update--)
        {
            spool.Write(update, 600, values.AsSpan(update * 1000 + 600, 400));
            spool.Write(update, 0, values.AsSpan(update * 1000, 600));
        }

        float[] read = new float[321];
        spool.Read(1, 500, read);
        Assert.Equal(values[1500..1821], read);
    }

    [Fact]
    public void What_was_never_written_is_not_taken_for_zeros()
    {
        using var spool = new FileSpool(length: 100);
        spool.Write(0, 0, new float[50]);
        Assert.Throws<EndOfStreamException>(() => spool.Read(0, 0, new float[100]));
    }

    [Theory]
    [InlineData(10, 100, 4000, false)]
    [InlineData(10, 100, 3999, true)]
    public void Updates_that_are_larger_than_the_limit_go_to_a_file(int updates, int length, long limit, bool toFile)
    {
        using var pool = new FlatVectorPool();
        using IUpdateSpool spool = FileSpool.Create(updates, length, pool, limit);
        Assert.Equal(toFile, spool is FileSpool);
    }

    [Fact]
    public async Task A_run_has_the_same_bits_whether_its_updates_lie_in_memory_or_in_a_file()
    {
        RunPlan plan = SmallRun.Plan(change: run => run with { Aggregator = new Bulyan { Byzantine = 1 }, Disclosures = [Disclosure.IndividualUpdates] });
        using SimulationResult inMemory = await SmallRun.RunAsync(plan), inFile = await SmallRun.RunAsync(plan, new SimulationOptions { SpoolMemoryBytes = 0 });
        Assert.Equal(inMemory.Server.Model.Digest(), inFile.Server.Model.Digest());
    }
}
