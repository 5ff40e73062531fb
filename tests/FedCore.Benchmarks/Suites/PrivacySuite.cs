using System.Diagnostics;
using System.Security.Cryptography;
using FedCore.Models;
using FedCore.Privacy;
using FedCore.Privacy.Accounting;
using FedCore.Privacy.Accounting.Events;
using FedCore.Privacy.Sampling;
using FedCore.Rounds;
using FedCore.Rounds.Privacy;

namespace FedCore.Benchmarks.Suites;

/// <summary>How long accountants take, and how fast exact noise is drawn.</summary>
internal static class PrivacySuite
{
    private const string Suite = "privacy";
    private const int Repetitions = 5;
    private const double Delta = 1e-6;

    public static void Run(Figures figures)
    {
        MeasureAccountants(figures);
        MeasureSamplers(figures);
        MeasureClipping(figures, "2nn", Models.TwoLayers, 64);
        MeasureClipping(figures, "cnn", Models.Convolutional, 32);
        MeasureHiding(figures, "2nn", Models.TwoLayers, 64);
        MeasureHiding(figures, "cnn", Models.Convolutional, 32);
    }

    // In turns, so that both meet the same neighbours.
    private static void MeasureClipping(Figures figures, string name, ModelSpec model, int batch)
    {
        MnistImages? images = MnistImages.Find();
        RunPlan plan = Models.Plan(model, new RoundPolicy { Count = 1 }, batch);
        using StepTrainer plain = new(plan, batch, images), clipped = new(plan, batch, images);
        Figures.Rate(plain.Step, 0.3);
        Figures.Rate(() => clipped.ClippedStep(1), 0.3);
        var turns = Enumerable.Range(0, 2 * Repetitions + 1).Select(_ => (Plain: Figures.Rate(plain.Step, 0.2), Clipped: Figures.Rate(() => clipped.ClippedStep(1), 0.2))).ToList();
        figures.Report(Suite, $"clipped_step_{name}_b{batch}_vs_plain", Figures.Median(turns.Select(turn => turn.Plain / turn.Clipped)), "x", new
        {
            plainUs = Math.Round(1e6 / Figures.Median(turns.Select(turn => turn.Plain)), 1),
            clippedUs = Math.Round(1e6 / Figures.Median(turns.Select(turn => turn.Clipped)), 1),
            inputs = images is null ? "noise" : "mnist",
        });
    }

    // Whole steps at a site: batches drawn in secret, clipped gradients, exact noise. Which of the two processors is used for what is up to the step.
    private static void MeasureHiding(Figures figures, string name, ModelSpec model, int batch)
    {
        MnistImages? images = MnistImages.Find();
        RunPlan open = Models.Plan(model, new RoundPolicy { Count = 1 }, batch), hiding = RunPlan.Create(
            open.Definition with
            {
                Training = new TrainingPlan { LearningRate = open.Definition.Training.LearningRate, WeightBy = WeightBy.Uniform },
                Privacy = new PrivacyPolicy { Unit = PrivacyUnit.Example, Clip = 1, NoiseMultiplier = 1, SamplingRate = (double)batch / SiteTrainer.Examples, Delta = 1e-5 },
            },
            open.Registry);
        using SiteTrainer plain = new(open, images), hidden = new(hiding, images);
        Figures.Rate(plain.Step, 0.3);
        Figures.Rate(hidden.Step, 0.3);

        // Short turns, so that what else the machine does is the same for both.
        var turns = Enumerable.Range(0, 8 * Repetitions + 1).Select(_ => (Plain: Measure(plain), Hidden: Measure(hidden))).ToList();
        figures.Report(Suite, $"private_step_{name}_b{batch}_vs_plain", Figures.Median(turns.Select(turn => turn.Plain.Rate / turn.Hidden.Rate)), "x", new
        {
            plainUs = Math.Round(1e6 / Figures.Median(turns.Select(turn => turn.Plain.Rate)), 1),
            hiddenUs = Math.Round(1e6 / Figures.Median(turns.Select(turn => turn.Hidden.Rate)), 1),
            processorTimeRatio = Math.Round(Figures.Median(turns.Select(turn => turn.Hidden.Busy / turn.Hidden.Rate / (turn.Plain.Busy / turn.Plain.Rate))), 2),
            processors = Environment.ProcessorCount,
            inputs = images is null ? "noise" : "mnist",
        });

        static (double Rate, double Busy) Measure(SiteTrainer trainer)
        {
            // Until the noise that the other turn left to be drawn ahead is drawn, or there is as much of it as later.
            for (int i = 0; i < 8; i++) trainer.Step();
            TimeSpan before = Environment.CpuUsage.TotalTime;
            long start = Stopwatch.GetTimestamp();
            double rate = Figures.Rate(trainer.Step, 0.05);
            return (rate, (Environment.CpuUsage.TotalTime - before) / Stopwatch.GetElapsedTime(start));
        }
    }

    private static void MeasureAccountants(Figures figures)
    {
        // The first accountant of the process pays for compilation.
        Seconds(AccountantKind.Pld, 1, 0.01, 100);
        foreach ((string name, double z, double q, long steps) in ((string, double, double, long)[])
            [
                ("pld_20000_steps_s", 0.8, 0.001, 20_000), ("pld_50000_steps_s", 0.8, 0.05, 50_000), ("pld_100000_steps_s", 2, 0.001, 100_000), ("pld_1000_steps_s", 2, 0.05, 1000),
            ])
        {
            figures.Report(Suite, name, Figures.Median(Enumerable.Range(0, Repetitions).Select(_ => Seconds(AccountantKind.Pld, z, q, steps))), "s", new { z, q, steps });
        }

        figures.Report(Suite, "rdp_ms", 1000 * Figures.Median(Enumerable.Range(0, Repetitions).Select(_ => Seconds(AccountantKind.Rdp, 0.8, 0.001, 20_000))), "ms", new { z = 0.8, q = 0.001, steps = 20_000 });
    }

    private static double Seconds(AccountantKind kind, double z, double q, long steps)
    {
        long start = Stopwatch.GetTimestamp();
        PrivacyAccountant accountant = PrivacyAccountant.Create(kind);
        accountant.Record(new PoissonSampledEvent(q, new GaussianEvent(z)), steps);
        accountant.Epsilon(Delta);
        return Stopwatch.GetElapsedTime(start).TotalSeconds;
    }

    private static void MeasureSamplers(Figures figures)
    {
        using var random = new SystemRandomBytes();
        byte[] bytes = new byte[32 * 1024];
        double generator = Figures.Median(Enumerable.Range(0, Repetitions).Select(_ => Figures.Rate(() => RandomNumberGenerator.Fill(bytes), 0.3))) * bytes.Length / 1e9;
        foreach ((string name, long variance) in ((string, long)[])[("dgauss_mdraws_per_s", 10_000), ("dgauss_wide_mdraws_per_s", 1L << 40)])
        {
            var sampler = new DiscreteGaussianSampler(variance, 1, random);
            uint[] words = new uint[1 << 16];
            Figures.Rate(() => sampler.AddTo(words), 0.3);
            double rate = Figures.Median(Enumerable.Range(0, Repetitions).Select(_ => Figures.Rate(() => sampler.AddTo(words), 0.3))) * words.Length / 1e6;
            figures.Report(Suite, name, rate, "M/s", new { sigma = Math.Sqrt(variance), threads = 1, generatorGbPerS = Math.Round(generator, 2) });
        }

        var laplace = new DiscreteLaplaceSampler(100, 1, random);
        figures.Report(Suite, "dlaplace_mdraws_per_s", Figures.Median(Enumerable.Range(0, Repetitions).Select(_ => Figures.Rate(() => laplace.Next(), 0.3))) / 1e6, "M/s", new { scale = 100, threads = 1 });
    }
}
