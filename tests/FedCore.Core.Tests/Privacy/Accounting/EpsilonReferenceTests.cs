using System.Globalization;
using FedCore.Privacy.Accounting;
using FedCore.Privacy.Accounting.Events;
using FedCore.Privacy.Accounting.Pld;
using FedCore.Privacy.Accounting.Rdp;

namespace FedCore.Core.Tests.Privacy.Accounting;

/// <summary>Published epsilons of Opacus, TensorFlow Privacy, Google's dp_accounting and JAX Privacy, each compared as its row says; sources stand in the rows.</summary>
public class EpsilonReferenceTests
{
    private const string File = "dp_epsilon_reference";

    public static TheoryData<string> Rows => [.. Enumerable.Range(0, 36).Select(row => (1 + 2 * row).ToString(CultureInfo.InvariantCulture))];

    [Fact]
    public void All_rows_are_compared() => Assert.Equal(ReferenceRows.Of(File).Select(row => row[0]), Rows.Select(row => row.Data));

    [Theory]
    [MemberData(nameof(Rows))]
    public void Published_value_is_met(string id)
    {
        Row row = Row.Of(id);
        switch (row.Accountant)
        {
            case "prv_upper(eps_error=0.01)":
                // The published bound lies .01 above the value, and a little more.
                Assert.StartsWith("upper bound", row.Kind, StringComparison.Ordinal);
                Assert.InRange(row.Pld(), row.Published - 0.0125, row.Published);
                break;
            case "rdp" when id == "41":
                Assert.InRange(row.Rdp() / row.Published, 1 - 5e-4, 1 + 5e-4);
                break;
            case "rdp" when row.Kind.StartsWith("value(3 decimals", StringComparison.Ordinal):
                Assert.Equal(row.Published, row.Rdp(), 5e-4);
                break;
            case "rdp":
                Assert.StartsWith("value(7 places)", row.Kind, StringComparison.Ordinal);
                Assert.InRange(row.Rdp() / row.Published, 1 - 1e-8, 1 + 1e-7);
                break;
            case "rdp_calibrate":
                // Four places of the noise multiplier.
                Assert.Equal(row.NoiseMultiplier, Calibration.NoiseMultiplier(z => [row.Event(z)], () => row.NewRdp(), row.Published, row.Delta), 5e-5);
                break;
            case "prv_calibrate":
                // The search stops when the bound, which is .01 above the value, is within .01 of the target.
                Assert.InRange(row.Pld(), row.Published - 0.0125 - 0.01, row.Published);
                break;
            case "pld" when row.Kind == "value(2 dec)":
                Assert.Equal(row.Published, row.Pld(), 5e-3);
                break;
            case "pld":
                Assert.Equal(row.Published, row.Pld(), row.Kind == "value(1e-3)" ? 1e-3 : 2e-3);
                break;
            case "pld_calibrate" when row.Kind.StartsWith("max iterations", StringComparison.Ordinal):
                Assert.Equal(row.Steps, Calibration.Count(row.Step(row.NoiseMultiplier), () => new PldAccountant(), row.Published, row.Delta));
                break;
            case "pld_calibrate":
                Assert.Equal(row.NoiseMultiplier, Calibration.NoiseMultiplier(z => [row.Event(z)], () => new PldAccountant(), row.Published, row.Delta), 1e-7);
                break;
            default:
                Assert.Fail($"Nobody knows how to compare row {id}, {row.Accountant}.");
                break;
        }
    }

    [Theory]
    [MemberData(nameof(Rows))]
    public void Recomputed_values_are_met(string id)
    {
        Row row = Row.Of(id);
        double rdp = new RdpAccountant().With(row.Event(row.NoiseMultiplier)).Epsilon(row.Delta);
        Assert.InRange(rdp / row.RecomputedRdp, 0.97, 1 + 5e-4);
        if (row.RecomputedPld is { } pld) Assert.InRange((row.Pld() - pld) / Math.Max(1, pld), -2e-3, 2e-3);
    }

    private sealed record Row(
        string Accountant, string Mechanism, double NoiseMultiplier, double SamplingRate, long Steps, double Delta, double Published, string Kind, string Orders,
        double RecomputedRdp, double? RecomputedPld)
    {
        public static Row Of(string id)
        {
            string[] row = ReferenceRows.Of(File).Single(row => row[0] == id);
            return new Row(
                row[1], row[2], ReferenceRows.Number(row[3]), ReferenceRows.Number(row[4]), long.Parse(row[5], CultureInfo.InvariantCulture), ReferenceRows.Number(row[6]),
                ReferenceRows.Number(row[7]), row[8], row[9], ReferenceRows.Number(row[^3]), row[^2].Length > 0 ? ReferenceRows.Number(row[^2]) : null);
        }

        public PrivacyEvent Step(double noiseMultiplier) =>
            SamplingRate == 1 ? new GaussianEvent(noiseMultiplier) : new PoissonSampledEvent(SamplingRate, new GaussianEvent(noiseMultiplier));

        public RepeatedEvent Event(double noiseMultiplier) => Step(noiseMultiplier).Times(Steps);

        public double Pld() => new PldAccountant().With(Event(NoiseMultiplier)).Epsilon(Delta);

        public double Rdp() => NewRdp().With(Event(NoiseMultiplier)).Epsilon(Delta);

        public RdpAccountant NewRdp() => new(orders: Orders switch
        {
            "dp_accounting default" => null,
            var opacus when opacus.StartsWith("opacus", StringComparison.Ordinal) => [.. Enumerable.Range(1, 99).Select(tenth => 1 + tenth / 10.0), .. Enumerable.Range(12, 52).Select(order => (double)order)],
            _ => [1.25, 1.5, 1.75, 2, 2.25, 2.5, 3, 3.5, 4, 4.5, .. Enumerable.Range(5, 59).Select(order => (double)order), 128, 256, 512],
        });
    }
}
