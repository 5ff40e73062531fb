using System.Buffers;
using FedCore.Compression;
using FedCore.Compression.Formats;
using FedCore.Compression.Sparsifiers;
using FedCore.Numerics;
using FedCore.Strategies;
using FedCore.Updates;

namespace FedCore.Benchmarks.Suites;

/// <summary>Bytes of an update of a million 32-bit floats per second and thread, through each transform and back.</summary>
internal static class CompressionSuite
{
    private const int Length = 1_000_000, Repetitions = 7;
    private const double Seconds = 0.2;

    public static void Run(Figures figures)
    {
        Measure(figures, "float16", new Float16());
        Measure(figures, "bfloat16", new BFloat16());
        Measure(figures, "int8", new Int8());
        Measure(figures, "int4", new Int4());
        Measure(figures, "top_1pc", new TopK { Share = 0.01 });
        Measure(figures, "random_10pc", new RandomK { Share = 0.1 });
    }

    private static void Measure(Figures figures, string name, IUpdateTransform transform)
    {
        UpdateLayout layout = MemoryUpdate.Layout(Length);
        var codec = new UpdateCodec(layout, [transform], new RandomKeys([], 1));
        using UpdateEncoder encoder = codec.CreateEncoder();
        using FlatVector buffer = new(Length), zeros = new(Length), local = new(Length);
        using var state = new InMemoryClientState();
        RandomStream random = new RandomKeys([], 1).Stream("values");
        foreach (ref float value in local.AsSpan()) value = (float)random.NextNormal();
        var update = new Update(layout, buffer);
        var target = new ArrayBufferWriter<byte>();
        double encode = Figures.Median(Enumerable.Range(0, Repetitions).Select(_ => Figures.Rate(Encode, Seconds)));
        double decode = Figures.Median(Enumerable.Range(0, Repetitions).Select(_ => Figures.Rate(Decode, Seconds)));
        double bytes = Length * sizeof(float) / 1e9;
        figures.Report("compression", "encode_" + name, encode * bytes, "GB/s", new { share = Math.Round(target.WrittenCount / (double)layout.ByteLength, 4) });
        figures.Report("compression", "decode_" + name, decode * bytes, "GB/s", new { });

        void Encode()
        {
            update.Reset();
            update.Weight = 1;
            update.WriteModelChange(zeros, local);
            update.Complete();
            target.ResetWrittenCount();
            encoder.Encode(update, state, 1, random, target);
        }

        void Decode()
        {
            using IUpdateReader reader = codec.Open(target.WrittenMemory, 1);
            for (long offset = 0; offset < Length;) offset += reader.Read(offset).Length;
        }
    }
}
