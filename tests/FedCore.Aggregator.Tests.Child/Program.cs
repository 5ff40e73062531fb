using FedCore.Aggregator.Journal;
using FedCore.Aggregator.Storage;

// What tests start in order to kill it: it writes for ever, and says on a line of its own what has been acknowledged.
switch (args)
{
    case ["sqlite", var path]:
        await JournalAsync(SqliteEventLog.Open(path, TimeProvider.System, new Disk()));
        break;
    case ["postgres", var connection, var schema]:
        await JournalAsync(await PostgresEventLog.OpenAsync(new PostgresPlace(connection, schema), TimeProvider.System, default));
        break;
    default:
        Console.Error.WriteLine("usage: sqlite FILE | postgres CONNECTION SCHEMA");
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

static void Say(string line)
{
    lock (Console.Out)
    {
        Console.Out.WriteLine(line);
        Console.Out.Flush();
    }
}
