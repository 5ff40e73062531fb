using System.Security.Cryptography;
using FedCore.Protocol.Transfers;
using FedCore.Protocol.V1;
using Google.Protobuf;
using Grpc.Core;

namespace FedCore.Aggregator.Tests.Services;

/// <summary>Who reads and puts what is named by its content.</summary>
public class BlobTests
{
    private static readonly SmallRun Large = new(inputs: SmallRun.LargeInputs);

    [Fact]
    public async Task A_site_reads_what_its_task_names_from_any_offset()
    {
        await using TestAggregator aggregator = await TestAggregator.StartAsync();
        (TestSite north, TaskOffer task) = await aggregator.AskAsync(Large);
        byte[] model = await north.DownloadAsync(task.Model.Digest);
        Assert.Equal(task.Model.Length, model.Length);
        Assert.Equal(task.Model.Digest.ToByteArray(), SHA256.HashData(model));
        Assert.Equal(model[1_000_001..], await north.DownloadAsync(task.Model.Digest, 1_000_001));
        Assert.Empty(await north.DownloadAsync(task.Model.Digest, model.Length));
        Assert.Equal(Large.Plan.CanonicalBytes.ToArray(), await north.DownloadAsync(task.Definition.Digest));
    }

    [Theory]
    [InlineData(-1)]
    [InlineData(10_000_000)]
    [InlineData(long.MinValue)]
    [InlineData(long.MaxValue)]
    public async Task An_offset_outside_is_refused(long offset)
    {
        await using TestAggregator aggregator = await TestAggregator.StartAsync();
        (TestSite north, TaskOffer task) = await aggregator.AskAsync(Large);
        Assert.Equal("offset", (await Refusal.ThrowsAsync(StatusCode.InvalidArgument, "request.invalid", () => north.DownloadAsync(task.Model.Digest, offset))).Field);
    }

    [Fact]
    public async Task To_a_site_there_is_nothing_but_what_its_tasks_name()
    {
        await using TestAggregator aggregator = await TestAggregator.StartAsync();
        TestSite north = await aggregator.AddSiteAsync("north"), south = await aggregator.AddSiteAsync("south");
        var own = new SmallRun(inputs: 5);
        await aggregator.CreateRunAsync("large", Large, north);
        await aggregator.CreateRunAsync("own", own, south);
        TaskOffer other = await north.TaskAsync(), task = await south.TaskAsync();
        foreach (ByteString digest in (ByteString[])[other.Model.Digest, other.Definition.Digest, ByteString.CopyFrom(new byte[32])])
            await Refusal.ThrowsAsync(StatusCode.NotFound, "blob.unknown", () => south.DownloadAsync(digest));
        Assert.NotEmpty(await south.DownloadAsync(task.Model.Digest));
        await south.AnswerAsync(task, own.Update());
        await Refusal.ThrowsAsync(StatusCode.NotFound, "blob.unknown", () => south.DownloadAsync(task.Model.Digest));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(31)]
    [InlineData(33)]
    [InlineData(10_000)]
    public async Task What_is_no_digest_is_refused(int length)
    {
        await using TestAggregator aggregator = await TestAggregator.StartAsync();
        TestSite north = await aggregator.AddSiteAsync("north");
        Assert.Equal("digest", (await Refusal.ThrowsAsync(StatusCode.InvalidArgument, "request.invalid", () => north.DownloadAsync(ByteString.CopyFrom(new byte[length])))).Field);
    }

    [Fact]
    public async Task A_coordinator_puts_and_reads_and_a_site_puts_nothing()
    {
        await using TestAggregator aggregator = await TestAggregator.StartAsync();
        TestSite north = await aggregator.AddSiteAsync("north");
        byte[] content = RandomNumberGenerator.GetBytes(3_000_000);
        for (int i = 0; i < 2; i++)
            Assert.Equal(new Blob { Digest = ByteString.CopyFrom(SHA256.HashData(content)), Length = content.Length }, await PutAsync(aggregator, content, aggregator.AsCoordinator()));
        Assert.Equal(content, await TestSite.DownloadAsync(aggregator.Blobs, ByteString.CopyFrom(SHA256.HashData(content)), 0, aggregator.AsCoordinator()));
        await Refusal.ThrowsAsync(StatusCode.PermissionDenied, "auth.role", () => PutAsync(aggregator, content, north.Options()));
    }

    [Fact]
    public async Task Where_the_disk_is_full_nothing_is_put_and_when_there_is_room_it_is()
    {
        await using TestAggregator aggregator = await TestAggregator.StartAsync();
        aggregator.Disk.OnSync = () => throw new IOException("No space left on device", 28);
        await Refusal.ThrowsAsync(StatusCode.ResourceExhausted, "blobs.full", () => PutAsync(aggregator, [1, 2, 3], aggregator.AsCoordinator()));
        aggregator.Disk.OnSync = null;
        Assert.Equal(3, (await PutAsync(aggregator, [1, 2, 3], aggregator.AsCoordinator())).Length);
        Assert.Empty(aggregator.Log.Errors);
    }

    private static async Task<Blob> PutAsync(TestAggregator aggregator, byte[] content, CallOptions options)
    {
        using AsyncClientStreamingCall<Chunk, Blob> call = aggregator.Blobs.Put(options);
        try
        {
            foreach (byte[] chunk in content.Chunk(1 << 20)) await call.RequestStream.WriteAsync(new Chunk { Data = new(chunk) }, TestContext.Current.CancellationToken);
            await call.RequestStream.CompleteAsync();
        }
        catch (RpcException)
        {
            // The aggregator has answered before the end.
        }

        return await call.ResponseAsync;
    }
}
