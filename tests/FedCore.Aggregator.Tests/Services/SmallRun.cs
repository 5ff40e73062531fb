using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text.Json;
using FedCore.Json;
using FedCore.Naming;
using FedCore.Protocol.V1;
using FedCore.Rounds;
using FedCore.Updates;
using Google.Protobuf;

namespace FedCore.Aggregator.Tests.Services;

/// <summary>A run of a linear model, and the updates that its sites send. Nothing is trained.</summary>
internal sealed class SmallRun
{
    /// <summary>So many inputs make a model, and an update, of several chunks.</summary>
    public const int LargeInputs = 300_000;

    /// <param name="rounds">How many rounds.</param>
    /// <param name="inputs">Inputs of the model, which has two outputs.</param>
    /// <param name="strategy">The strategy's name.</param>
    /// <param name="deadline">Seconds that a round lasts at most; null for no limit.</param>
    /// <param name="transforms">What happens to updates on their way.</param>
    /// <param name="names">The names of strategies and other parts.</param>
    /// <param name="share">The share of the sites that a round asks.</param>
    /// <param name="reports">How many must report.</param>
    /// <param name="weightBy">What a site's weight follows from.</param>
    /// <param name="maxExamples">How many examples count for it; null for all.</param>
    /// <param name="isSecure">Whether it sums securely.</param>
    /// <param name="rate">The probability with which each site is asked, in secret; null for a run that counts with no such thing.</param>
    public SmallRun(
        int rounds = 1, int inputs = 4, string strategy = "fedavg", double? deadline = null, object[]? transforms = null, Registry? names = null, double share = 1, int reports = 1,
        string weightBy = "examples", long? maxExamples = null, bool isSecure = false, double? rate = null)
    {
        Definition = JsonSerializer.SerializeToUtf8Bytes(new
        {
            name = "small",
            model = new { input = (int[])[inputs], layers = (object[])[new { type = "linear", outputs = 2 }], loss = new { type = "softmaxCrossEntropy" } },
            strategy = new { type = strategy },
            transforms = transforms ?? [],
            training = new { epochs = 1, batchSize = 4, learningRate = 0.1, weightBy, maxExamples },
            rounds = new { count = rounds, minimumReports = reports, deadlineSeconds = deadline, cohort = rate is not null ? new { type = "poisson", rate } : share < 1 ? new { type = "uniform", fraction = share } : (object)new { type = "all" } },
            evaluation = new { every = 0 },
            secureAggregation = isSecure ? new { } : null,
            privacy = rate is not null ? new { clip = 1, noiseMultiplier = 1e-3, delta = 1e-5, amplification = true } : null,
        });
        Registry registry = names ?? Registry.CreateDefault();
        Plan = RunPlan.Create(JsonDocuments.Read<RunDefinition>(JsonDocuments.Parse(System.Text.Encoding.UTF8.GetString(Definition), "run"), registry, "run"), registry);
    }

    /// <summary>The definition as a coordinator sends it.</summary>
    public byte[] Definition { get; }

    public RunPlan Plan { get; }

    /// <summary>An update as it goes over the wire: the scalars, then all numbers of the model.</summary>
    public byte[] Update(float value = 0.01f, double weight = 1)
    {
        UpdateLayout layout = Plan.TrainLayout;
        byte[] bytes = new byte[Plan.WireCodec.ByteLength];
        BinaryPrimitives.WriteDoubleLittleEndian(bytes.AsSpan((int)layout.Find(Section.Weight).Offset * sizeof(double)), weight);
        MemoryMarshal.Cast<byte, float>(bytes.AsSpan((int)layout.ScalarCount * sizeof(double))).Fill(value);
        return bytes;
    }

    /// <summary>What announces an update.</summary>
    public static UploadHead HeadOf(string task, byte[] update) => new() { TaskId = task, Digest = ByteString.CopyFrom(SHA256.HashData(update)), Length = update.Length };
}
