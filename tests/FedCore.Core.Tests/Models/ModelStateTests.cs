using System.Security.Cryptography;
using FedCore.Core.Tests.Numerics;
using FedCore.Models;
using FedCore.Models.Layers;
using FedCore.Models.Losses;
using FedCore.Naming;
using FedCore.Numerics;
using FedCore.Strategies;
using FedCore.Tests;

namespace FedCore.Core.Tests.Models;

public class ModelStateTests
{
    private static readonly ModelPlan Plan = new ModelSpec
    {
        Input = [8, 8, 3],
        Layers = [new Conv2dSpec { Channels = 50, Kernel = 4 }, new FlattenSpec(), new LinearSpec { Outputs = 20 }],
        Loss = new SoftmaxCrossEntropySpec(),
    }.Plan(Registry.CreateDefault());

    // PyTorch's default for both layers: uniform in 1 / sqrt(fan-in), with a fan-in of 4 x 4 x 3 and of 5 x 5 x 50.
    [Theory]
    [InlineData("conv2d0.kernel", 48)]
    [InlineData("conv2d0.bias", 48)]
    [InlineData("linear2.kernel", 1250)]
    [InlineData("linear2.bias", 1250)]
    public void First_values_lie_within_one_over_the_root_of_the_fan_in(string tensor, int fanIn)
    {
        using ModelState state = ModelState.Initialize(Plan, Statistics.Stream("model"));
        Assert.All(Values(state, tensor), value => Assert.InRange(value, -1 / Math.Sqrt(fanIn), 1 / Math.Sqrt(fanIn)));
    }

    [Fact]
    public void First_values_are_evenly_spread_over_their_range()
    {
        using ModelState state = ModelState.Initialize(Plan, Statistics.Stream("model"));
        int[] counts = new int[20];
        foreach (float value in Values(state, "linear2.kernel")) counts[(int)Math.Clamp((value * Math.Sqrt(1250) + 1) * 10, 0, 19)]++;
        Statistics.AssertEven(counts);
    }

    [Fact]
    public void One_stream_gives_one_model()
    {
        using ModelState first = ModelState.Initialize(Plan, Statistics.Stream("model")), second = ModelState.Initialize(Plan, Statistics.Stream("model"));
        Assert.Equal(first.Digest(), second.Digest());
    }

    [Theory]
    [InlineData(-1, 1)]
    [InlineData(49, 2)]
    [InlineData(51, 0)]
    [InlineData(0, -1)]
    public void A_view_never_reaches_into_a_neighbouring_tensor(long offset, int count)
    {
        using var state = new ModelState(Plan.Schema);
        Assert.Throws<ArgumentOutOfRangeException>(() => _ = state.Floats(Plan.Schema.Find("conv2d0.bias")!, offset, count).Length);
    }

    [Fact]
    public void A_clone_has_memory_of_its_own_for_every_role()
    {
        var schema = new ModelSchema([("a", new Shape(3), TensorType.F32, TensorRole.Trainable), ("b", new Shape(3), TensorType.F32, TensorRole.Buffer)]);
        using var state = new ModelState(schema);
        foreach (TensorSchema tensor in schema.Tensors) state.Floats(tensor, 0, 3).Fill(1);
        using ModelState clone = state.Clone();
        foreach (TensorSchema tensor in schema.Tensors) state.Floats(tensor, 0, 3).Fill(2);
        Assert.Equal([1, 1, 1, 1, 1, 1], schema.Tensors.SelectMany(tensor => clone.Floats(tensor, 0, 3).ToArray()));
    }

    [Fact]
    public void A_model_in_files_is_the_same_model_and_so_is_its_clone()
    {
        using var folder = new TemporaryFolder();
        var files = new VectorStorage(folder.Path, 0);
        using ModelState inMemory = ModelState.Initialize(Plan, Statistics.Stream("model")), mapped = ModelState.Initialize(Plan, Statistics.Stream("model"), files);
        using ModelState clone = mapped.Clone(), inFiles = inMemory.Clone(files), back = mapped.Clone(VectorStorage.Memory);
        Assert.Equal([false, true, true, true, false], new[] { inMemory, mapped, clone, inFiles, back }.Select(state => state.Trainable.IsMapped));
        Assert.All([mapped, clone, inFiles, back], state => Assert.Equal(inMemory.Digest(), state.Digest()));
    }

    [Fact]
    public void What_a_strategy_keeps_lies_where_the_model_does()
    {
        using var folder = new TemporaryFolder();
        using var server = new ServerState(new ModelState(Plan.Schema, new VectorStorage(folder.Path, 0)));
        Assert.True(server.Vector("momentum", 2).IsMapped);
        Assert.False(server.Vector("momentum").AsSpan().ContainsAnyExcept(2f));
    }

    [Fact]
    public void A_model_that_the_disk_has_no_room_for_takes_none()
    {
        using var folder = new TemporaryFolder();
        long free = new DriveInfo(folder.Path).AvailableFreeSpace;
        int rows = (int)(free / (4L << 20)) + (1 << 18);
        var schema = new ModelSchema([("small", new Shape(1 << 20), TensorType.F32, TensorRole.Trainable), ("large", new Shape(rows, 1 << 20), TensorType.F32, TensorRole.Frozen)]);
        Assert.Equal("storage.full", Assert.Throws<FedCoreException>(() => new ModelState(schema, new VectorStorage(folder.Path, 0))).Code);
        Assert.Empty(Mappings.Of(folder.Path));
    }

    [Fact]
    public void The_digest_is_the_SHA_256_of_the_written_file()
    {
        using ModelState state = ModelState.Initialize(Plan, Statistics.Stream("model"));
        var metadata = new Dictionary<string, string> { ["run"] = "ü" };
        using var file = new MemoryStream();
        SafeTensors.Write(file, state, metadata);
        Assert.Equal("sha256:" + Convert.ToHexStringLower(SHA256.HashData(file.ToArray())), state.Digest(metadata));
    }

    private static float[] Values(ModelState state, string tensor)
    {
        TensorSchema schema = state.Schema.Find(tensor)!;
        return state.Floats(schema, 0, (int)schema.Length).ToArray();
    }
}
