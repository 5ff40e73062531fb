using System.Buffers.Binary;
using Google.Protobuf;
using Google.Protobuf.Reflection;
using Grpc.Core;

namespace FedCore.Aggregator.Tests.Services;

/// <summary>Bytes of all sorts to every call of every service, from sites, coordinators and strangers.</summary>
public class FuzzTests
{
    private const int RequestsPerCall = 10_000;

    [Theory]
    [Trait("Category", "Slow")]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Ten_thousand_random_requests_to_every_call_are_each_answered_with_a_canonical_status(bool isWeb)
    {
        await using TestAggregator aggregator = await TestAggregator.StartAsync();
        TestSite north = await aggregator.AddSiteAsync("north");
        await aggregator.AddSiteAsync("south");
        await aggregator.CreateRunAsync("run", new SmallRun(), north);
        string task = (await north.TaskAsync()).TaskId;
        using var raw = new RawCalls(aggregator.Address, isWeb);
        var random = new Random(2026);
        var bodies = new RandomBodies(random, ["run", "south", task]);
        string site = "Bearer " + north.Token, coordinator = "Bearer " + aggregator.CoordinatorToken;
        var requests = Enumerable.Range(0, RequestsPerCall * RawCalls.Methods.Count).Select(i => RawCalls.Methods[i % RawCalls.Methods.Count]).Select(method => (
            Method: method,
            Body: bodies.Next(method.InputType),
            Caller: random.Next(8) switch
            {
                0 => null,
                1 => site,
                2 => coordinator,
                _ => method.Service.Name is "Admin" or "Blobs" ? coordinator : site,
            })).ToArray();
        var statuses = new int[(int)StatusCode.Unauthenticated + 1];
        await Parallel.ForEachAsync(requests, new ParallelOptions { MaxDegreeOfParallelism = 16, CancellationToken = TestContext.Current.CancellationToken }, async (request, _) =>
        {
            // What would wait is not waited for.
            string? timeout = request.Method.Name is "NextTask" or "WatchRun" ? "20m" : null;
            RawAnswer answer = await raw.SendAsync(RawCalls.PathOf(request.Method), request.Body, request.Caller, north.OnWire, timeout: timeout);
            Interlocked.Increment(ref statuses[(int)answer.Status]);
        });

        // There were good requests and bad ones of all kinds, and none found a defect.
        StatusCode[] expected =
        [
            StatusCode.OK, StatusCode.InvalidArgument, StatusCode.NotFound, StatusCode.PermissionDenied, StatusCode.ResourceExhausted, StatusCode.FailedPrecondition, StatusCode.Unimplemented,
            StatusCode.Internal, StatusCode.Unauthenticated,
        ];
        Assert.All(expected, status => Assert.NotEqual((status, 0), (status, statuses[(int)status])));
        Assert.Equal(0, statuses[(int)StatusCode.Unknown]);
        Assert.Empty(aggregator.Log.Errors);
        Assert.Equal("north", (await north.JoinAsync()).Site);
    }

    /// <summary>Bodies of requests: noise, messages that are right but for what stands in them, and such of which something was changed.</summary>
    /// <param name="random">Where they come from.</param>
    /// <param name="names">Texts that mean something to the aggregator.</param>
    private sealed class RandomBodies(Random random, string[] names)
    {
        public byte[] Next(MessageDescriptor type)
        {
            byte[] good = Framed(MessageOf(type, depth: 0).ToByteArray());
            switch (random.Next(8))
            {
                case 0: return Noise(64);
                case 1: return Framed(Noise(64));
                case 2: return good[..random.Next(good.Length)];
                case 3: return [.. good, .. good];
                case 4:
                    good[0] = (byte)random.Next(256);
                    return good;
                case 5:
                    BinaryPrimitives.WriteUInt32BigEndian(good.AsSpan(1), (uint)random.NextInt64(1L << 32));
                    return good;
                case 6:
                    for (int flips = random.Next(1, 8); flips > 0; flips--) good[random.Next(good.Length)] ^= (byte)(1 << random.Next(8));
                    return good;
                default: return good;
            }
        }

        private static byte[] Framed(byte[] message)
        {
            byte[] framed = [0, 0, 0, 0, 0, .. message];
            BinaryPrimitives.WriteInt32BigEndian(framed.AsSpan(1), message.Length);
            return framed;
        }

        private byte[] Noise(int longest)
        {
            byte[] noise = new byte[random.Next(longest + 1)];
            random.NextBytes(noise);
            return noise;
        }

        private IMessage MessageOf(MessageDescriptor type, int depth)
        {
            IMessage message = type.Parser.ParseFrom(ByteString.Empty);
            foreach (FieldDescriptor field in type.Fields.InDeclarationOrder().Where(field => !field.IsMap && random.Next(4) > 0 && (depth < 3 || field.FieldType != FieldType.Message)))
            {
                if (!field.IsRepeated) field.Accessor.SetValue(message, ValueOf(field, depth));
                else
                    for (int count = random.Next(3); count > 0; count--) ((System.Collections.IList)field.Accessor.GetValue(message)).Add(ValueOf(field, depth));
            }

            return message;
        }

        private object ValueOf(FieldDescriptor field, int depth) => field.FieldType switch
        {
            FieldType.String => random.Next(4) == 0 ? Convert.ToBase64String(Noise(40)) : names[random.Next(names.Length)],
            FieldType.Bytes => ByteString.CopyFrom(random.Next(2) == 0 ? Noise(64) : new byte[32]),
            FieldType.Int32 => (int)Number(),
            FieldType.Int64 => Number(),
            FieldType.Bool => random.Next(2) == 0,
            FieldType.Message => MessageOf(field.MessageType, depth + 1),
            _ => throw new NotSupportedException($"Requests have no {field.FieldType} so far; say here what a random one is."),
        };

        private long Number() => random.Next(4) switch
        {
            0 => random.Next(100),
            1 => -random.Next(100),
            2 => random.NextInt64(),
            _ => long.MinValue + random.Next(100),
        };
    }
}
