using System.Text;
using FedCore.Client.Connection;
using FedCore.Client.Models;
using FedCore.Client.Outbox;
using FedCore.Client.Settings;
using FedCore.Client.Storage;
using FedCore.Client.Telemetry;
using FedCore.Json;
using FedCore.Naming;
using FedCore.Privacy;
using FedCore.Protocol.V1;
using FedCore.Rounds;
using FedCore.Training;
using FedCore.Training.Data;
using Microsoft.Extensions.Logging;

namespace FedCore.Client.Tasks;

/// <summary>The rooms of the runs that a site works for. One that is not asked for in a while is given back.</summary>
internal sealed class RunRooms(ClientSettings settings, Registry registry, DataFolder folder, BlobDownloads downloads, Session session, TimeProvider clock, ILogger log) : IDisposable
{
    /// <summary>How long a room is kept for the next task.</summary>
    public static readonly TimeSpan KeepTime = TimeSpan.FromMinutes(10);

    private readonly Dictionary<string, RunRoom> _rooms = new(StringComparer.Ordinal);
    private readonly ITrainer _trainer = settings.Trainer ?? new Training.Engine.EmbeddedTrainer();

    /// <summary>How many rooms there are.</summary>
    public int Count => _rooms.Count;

    /// <summary>The room of a task's run.</summary>
    /// <param name="offer">The task.</param>
    /// <param name="site">The site's name.</param>
    /// <param name="ct">Cancels what it takes to make one.</param>
    /// <exception cref="FedCoreException">This site cannot work for the run, and why.</exception>
    public async Task<RunRoom> EnterAsync(TaskOffer offer, string site, CancellationToken ct)
    {
        string key = UpdateRecord.StateFolderOf(offer.RunId, Convert.ToHexStringLower(offer.Definition.Digest.Span));
        if (_rooms.TryGetValue(key, out RunRoom? room) && room.Site != site)
        {
            Free(key);
            room = null;
        }

        room ??= _rooms[key] = await OpenAsync(offer, site, Path.Combine(folder.State, key), ct).ConfigureAwait(false);
        room.LastUsed = clock.GetTimestamp();
        return room;
    }

    /// <summary>Gives the rooms back that were not asked for in a while.</summary>
    public void FreeIdle()
    {
        foreach (string key in _rooms.Where(entry => clock.GetElapsedTime(entry.Value.LastUsed) >= KeepTime).Select(entry => entry.Key).ToArray()) Free(key);
    }

    /// <summary>Gives a room back, if it is there.</summary>
    /// <param name="key">The name of the run's folder.</param>
    public void Free(string key)
    {
        if (!_rooms.Remove(key, out RunRoom? room)) return;
        room.Dispose();
        log.RunFreed(key);
    }

    public void Dispose()
    {
        foreach (RunRoom room in _rooms.Values) room.Dispose();
        _rooms.Clear();
    }

    // Rooms that are kept for their next task go where another run needs the memory.
    private void MakeRoom(MemoryEstimate need)
    {
        while (_rooms.Count > 0 && settings.Limits.ReasonToDecline(need, _rooms.Values.Sum(room => MemoryEstimate.Of(room.Plan, room.Data).Total)) is not null)
            Free(_rooms.MinBy(entry => entry.Value.LastUsed).Key);
        if (settings.Limits.ReasonToDecline(need) is { } reason) throw FedCoreException.Configuration("client.memory", reason);
    }

    private async Task<RunRoom> OpenAsync(TaskOffer offer, string site, string stateFolder, CancellationToken ct)
    {
        string definition = await downloads.GetAsync(offer.Definition, "The run's definition", ct).ConfigureAwait(false);
        RunPlan plan = PlanOf(await File.ReadAllTextAsync(definition, Encoding.UTF8, ct).ConfigureAwait(false), offer);
        DataPool pool = await settings.Data.LoadAsync(new DataRequest(plan, settings.DataFolders), ct).ConfigureAwait(false);
        ClientData data = SiteData.Of(plan, pool, site, settings.TestFraction);
        MakeRoom(MemoryEstimate.Of(plan, data));
        if (plan.Privacy?.WarningFor(PrivacyUnit.Example, data.Train.Count) is { } warning) log.WeakPromise(offer.RunId, warning);
        if (data.UnfitCount > 0) log.ExamplesUnfit(offer.RunId, data.UnfitCount, data.Train.Count + data.Test.Count);
        log.RunKnown(offer.RunId, plan.Hash, Shown.Of(plan.Definition.Name));
        return new RunRoom(plan, site, data, _trainer.Open(plan), new WorkThread(session, clock), stateFolder);
    }

    private RunPlan PlanOf(string text, TaskOffer offer)
    {
        string name = $"The definition of the run {offer.RunId}", hash = "sha256:" + Convert.ToHexStringLower(offer.Definition.Digest.Span);
        RunPlan plan = RunPlan.Create(JsonDocuments.Read<RunDefinition>(JsonDocuments.Parse(text, name), registry, name), registry);
        if (plan.Hash != hash)
        {
            throw FedCoreException.Configuration(
                "run.hash", $"{name} has the hash {hash}, but what this client reads of it has {plan.Hash}: client and aggregator are of different versions, or have different plug-ins. Install the same.");
        }

        settings.SecureAggregation.Check(offer.RunId, plan.Definition, offer.CohortSize, settings.Roster is not null);
        settings.Privacy.Check(offer.RunId, plan);
        return plan;
    }
}
