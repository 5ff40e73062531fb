using System.Buffers;
using System.Security.Cryptography;
using System.Text;
using FedCore.Aggregator.Journal;
using FedCore.Aggregator.Models;
using FedCore.Aggregator.Spooling;
using FedCore.Aggregator.Storage;
using FedCore.Aggregator.Tests.Child;

// What tests start in order to kill it: it writes for ever, and says on a line of its own what has been acknowledged.
switch (args)
{
    case ["sqlite", var path]:
        await JournalAsync(SqliteEventLog.Open(path, TimeProvider.System, new Disk()));
        break;
    case ["postgres", var connection, var schema]:
        await JournalAsync(await PostgresEventLog.OpenAsync(new PostgresPlace(connection, schema), TimeProvider.System, default));
        break;
    case ["spool", var folder, var name]:
        await SpoolAsync(Spool.Open(new SpoolOptions(folder), new Disk(), TimeProvider.System, out _), name);
        break;
    case ["blobs", var folder, var name]:
        await BlobsAsync(BlobStore.Open(folder, new Disk(), TimeProvider.System), name);
        break;
    default:
        Console.Error.WriteLine("usage: sqlite FILE | postgres CONNECTION SCHEMA | spool FOLDER NAME | blobs FOLDER NAME");
        return 2;
}

return 0;

static async Task JournalAsync(IEventLog log)
{
    await Task.WhenAll(Enumerable.Range(0, 4).Select(async stream =>
    {
        for (int i = 1; ; i++)
        {
            await log.AppendAsync($"s{stream}", "counted", $"{i}", i % 3 == 0 ? Durability.Now : Durability.Ordered, default);
            if (i % 3 == 0) Say($"s{stream} {i}");
        }
    }));
}

static async Task SpoolAsync(Spool spool, string name)
{
    Task[] small = [.. Enumerable.Range(0, 8).Select(async appender =>
    {
        for (int i = 0; ; i++)
        {
            string label = $"{name}/small/{appender}/{i}";
            byte[] payload = Payloads.Of(label, 1000 * (1 + i % 40));
            await spool.AppendAsync("run", Encoding.UTF8.GetBytes(label), new ReadOnlySequence<byte>(payload), SHA256.HashData(payload), default);
            Say(label);
        }
    })];
    for (int i = 0; ; i++)
    {
        string label = $"{name}/large/{i}";
        byte[] payload = Payloads.Of(label, 500_000);
        using StagedUpload upload = await spool.StageAsync("run", Encoding.UTF8.GetBytes(label), payload.Length, SHA256.HashData(payload), null, default);
        for (int offset = 0; offset < payload.Length; offset += 100_000) upload.Write(new ReadOnlySequence<byte>(payload, offset, 100_000));
        await upload.CompleteAsync();
        Say(label);
        if (small.Any(task => task.IsFaulted)) return;
    }
}

static Task BlobsAsync(BlobStore store, string name) => Task.WhenAll(Enumerable.Range(0, 3).Select(async putter =>
{
    for (int i = 0; ; i++)
    {
        byte[] content = Payloads.Of($"{name}/{putter}/{i}", 300_000);
        Say((await store.PutAsync(stream => stream.Write(content), default)).Digest);
    }
}));

static void Say(string line)
{
    lock (Console.Out)
    {
        Console.Out.WriteLine(line);
        Console.Out.Flush();
    }
}
