using FedCore.Models;
using FedCore.Privacy.Accounting.Events;
using FedCore.Privacy.Accounting.Pld;

namespace FedCore.Training.Tests.Privacy.Audit;

/// <summary>
/// What an attacker who chooses data and models really sees of single examples, beside what is promised: a promise that does not hold is found, whatever the code looks like. The engine gives out
/// noise that the receipts count with a hundredth more than the clip, so that a little less is seen than is promised.
/// </summary>
public class EmpiricalAuditTests
{
    private const int Count = 2000;
    private const double Noise = 2, Delta = 1e-5;

    private static double Claimed
    {
        get
        {
            var accountant = new PldAccountant();
            accountant.Record(new GaussianEvent(Noise), Canaries.Rounds);
            return accountant.Epsilon(Delta);
        }
    }

    private static Dictionary<string, Func<Canaries, Mechanism>> Faults { get; } = new()
    {
        ["noise halved"] = canaries => new HalvedNoise(canaries, Noise, 1),
        ["clip forgotten"] = canaries => new ForgottenClip(canaries, Noise, 1),
        ["noise reused across rounds"] = canaries => new ReusedNoise(canaries, Noise, 1),
        ["noise scaled by weight"] = canaries => new WeightedNoise(canaries, Noise, 1),
        ["pairs clipped"] = canaries => new PairwiseClip(canaries, Noise, 1),
    };

    public static TheoryData<string> FaultNames => [.. Faults.Keys];

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task What_is_seen_of_the_engine_is_what_is_promised(bool inTurns)
    {
        var canaries = new Canaries(Count, Draw.Stream("coins"));
        using var engine = new Correct(canaries, Noise, 1);
        double[] seen = await SeeAsync(engine, canaries, inTurns);
        MeanShift shift = Report("correct", seen, canaries);
        Assert.InRange(Claimed, MeanShift.EpsilonOf(shift.Low, Delta), MeanShift.EpsilonOf(shift.High, Delta));
        Assert.InRange(OneRunBound.Epsilon(seen, canaries.IsIn, Count / 5, Delta, 0.05), 0.5, Claimed);
    }

    // Of a hundred intervals of 95 % at least 88 hold what they are about, but for one in a thousand tries.
    [Fact]
    public async Task The_intervals_hold_what_is_promised_as_often_as_they_say()
    {
        const int tries = 100;
        int held = 0;
        for (int seed = 1; seed <= tries; seed++)
        {
            var canaries = new Canaries(Count / 4, Draw.Stream(FormattableString.Invariant($"coins {seed}")));
            using var engine = new Correct(canaries, Noise, seed);
            MeanShift shift = MeanShift.Of(await SeeAsync(engine, canaries, inTurns: true), canaries.IsIn);
            if (Claimed >= MeanShift.EpsilonOf(shift.Low, Delta) && Claimed <= MeanShift.EpsilonOf(shift.High, Delta)) held++;
        }

        Assert.InRange(held, 88, tries);
    }

    // The attacker tries two ways: each interval is 95 % sure, and more than is promised is far outside of both.
    [Theory]
    [MemberData(nameof(FaultNames))]
    public async Task A_fault_shows_more_than_is_promised(string fault)
    {
        var canaries = new Canaries(Count, Draw.Stream("coins"));
        double least = 0;
        foreach (bool inTurns in (bool[])[false, true])
        {
            using Mechanism mechanism = Faults[fault](canaries);
            MeanShift shift = Report(fault, await SeeAsync(mechanism, canaries, inTurns), canaries);
            least = Math.Max(least, MeanShift.EpsilonOf(shift.Low, Delta));
        }

        Assert.InRange(least, 1.3 * Claimed, double.PositiveInfinity);
    }

    private static MeanShift Report(string what, double[] seen, Canaries canaries)
    {
        MeanShift shift = MeanShift.Of(seen, canaries.IsIn);
        TestContext.Current.TestOutputHelper!.WriteLine(FormattableString.Invariant(
            $"{what}: shift {shift.Value:0.000} (95 %: {shift.Low:0.000} to {shift.High:0.000}), epsilon {MeanShift.EpsilonOf(shift.Value, Delta):0.00} ({MeanShift.EpsilonOf(shift.Low, Delta):0.00} to {MeanShift.EpsilonOf(shift.High, Delta):0.00}) of {Claimed:0.00} promised; one run shows at least {OneRunBound.Epsilon(seen, canaries.IsIn, Count / 5, Delta, 0.05):0.00}"));
        return shift;
    }

    // What there is of each canary: the sums of all rounds, the way that it pulled.
    private static async Task<double[]> SeeAsync(Mechanism mechanism, Canaries canaries, bool inTurns)
    {
        using var model = new ModelState(canaries.Plan(Noise).Model.Schema);
        double[] seen = new double[canaries.Count];
        for (int round = 1; round <= Canaries.Rounds; round++)
        {
            canaries.Choose(model, round, inTurns);
            float[] sum = await mechanism.SumAsync(model, round);
            for (int i = 0; i < seen.Length; i++) seen[i] += Canaries.SignOf(round, inTurns) * sum[i];
        }

        return seen;
    }
}
