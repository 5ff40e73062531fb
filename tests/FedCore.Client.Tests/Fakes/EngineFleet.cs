using System.Collections.Concurrent;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;
using System.Threading.Channels;
using FedCore.Models;
using FedCore.Numerics;
using FedCore.Protocol.V1;
using FedCore.Rounds;
using FedCore.Strategies;
using FedCore.Updates;
using Google.Protobuf;

namespace FedCore.Client.Tests.Fakes;

/// <summary>Real clients of a fake aggregator as the round engine sees them.</summary>
internal sealed class EngineFleet : IFleet, IClientDirectory
{
    private readonly Channel<FleetReply> _replies = Channel.CreateUnbounded<FleetReply>();
    private readonly ConcurrentDictionary<string, SiteTask> _tasks = new();
    private readonly ConcurrentDictionary<SiteTask, string> _ids = new(ReferenceEqualityComparer.Instance);
    private readonly ConcurrentDictionary<(int Round, int Position), bool> _settled = new();
    private readonly FakeAggregator _aggregator;
    private readonly RunPlan _plan;
    private readonly string[] _sites;
    private readonly Blob _definition;

    public EngineFleet(FakeAggregator aggregator, RunPlan plan, string[] sites)
    {
        (_aggregator, _plan, _sites) = (aggregator, plan, sites);
        _definition = aggregator.Put(plan.CanonicalBytes.ToArray());
        aggregator.Settlement = task => _settled.TryGetValue((task.Round, task.Position), out bool counts) ? counts : null;
        aggregator.OnDeclined = declined =>
        {
            if (_tasks.TryRemove(declined.TaskId, out SiteTask? task)) _replies.Writer.TryWrite(new FleetReply(task, ClientOutcome.Declined, Reason: declined.Reason));
        };
        aggregator.OnAccepted = (upload, _) =>
        {
            UploadHead head = upload.Head;
            if (_tasks.TryRemove(head.TaskId, out SiteTask? task))
            {
                _replies.Writer.TryWrite(new FleetReply(
                    task, ClientOutcome.Reported, new Sent(_plan, task, upload.Content), Steps: head.HasSteps ? head.Steps : null, PlannedSteps: head.HasPlannedSteps ? head.PlannedSteps : null));
            }

            return Task.CompletedTask;
        };
    }

    public IClientDirectory Clients => this;

    public long Count => _sites.Length;

    public ChannelReader<FleetReply> Replies => _replies.Reader;

    public ClientDescriptor Get(long index) => new(index, new ClientId(_sites[index]));

    public ValueTask SendAsync(ClientDescriptor to, SiteTask task, CancellationToken ct)
    {
        TaskOffer offer = Offers.Of(_aggregator, _plan, _definition, task, to.Id.Name);
        (_tasks[offer.TaskId], _ids[task]) = (task, offer.TaskId);
        _aggregator.Offer(offer, to.Id.Name);
        return ValueTask.CompletedTask;
    }

    public void Withdraw(SiteTask task)
    {
        _aggregator.Withdraw(_ids[task]);
        _tasks.TryRemove(_ids[task], out _);
    }

    public void Settle(TrainTask task, bool counts)
    {
        _settled[(task.Round, task.Position)] = counts;
        _aggregator.Beat();
    }

    private sealed class Sent(RunPlan plan, SiteTask task, byte[] bytes) : IUpdateSource
    {
        public ValueTask<IUpdateReader> OpenAsync(CancellationToken ct) => ValueTask.FromResult((task is TrainTask ? plan.WireCodec : plan.EvaluateCodec).Open(bytes, task.Round));
    }
}

/// <summary>Tasks as they go over the wire.</summary>
internal static class Offers
{
    public static TaskOffer Of(FakeAggregator aggregator, RunPlan plan, Blob definition, SiteTask task, string site, string run = "run")
    {
        using var model = new MemoryStream();
        SafeTensors.Write(model, task.Model);
        var offer = new TaskOffer
        {
            RunId = run,
            Definition = definition,
            Round = task.Round,
            Position = task.Position,
            CohortSize = task.CohortSize,
            Model = aggregator.Put(model.ToArray()),
        };
        offer.TaskId = Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes($"{run} {task.GetType().Name} {task.Round} {task.Position} {site} {plan.Hash}")).AsSpan(0, 16));
        if (model.Length <= aggregator.Terms.InlineBytes) offer.ModelContent = ByteString.CopyFrom(model.ToArray());
        if (task is not TrainTask train)
        {
            offer.Evaluate = new EvaluateWork();
            return offer;
        }

        foreach ((string name, FlatVector values) in train.Broadcasts)
            offer.Broadcasts.Add(new Broadcast { Name = name, Values = aggregator.Put(MemoryMarshal.AsBytes(values.AsSpan()).ToArray()) });
        offer.Train = WorkOf(train.Work);
        return offer;
    }

    private static TrainWork WorkOf(ClientTask task)
    {
        var work = new TrainWork
        {
            Epochs = task.Work.Epochs,
            Steps = task.Work.Steps,
            BatchSize = task.BatchSize,
            LearningRate = task.LearningRate,
            UniformWeight = task.Weighting.Uniform,
            MaxExamples = task.Weighting.MaxExamples,
            AcceptPartialWork = task.AcceptPartialWork,
        };
        if (task.ClipNorm is { } clip) work.ClipNorm = clip;
        if (task.MaxSteps is { } most) work.MaxSteps = most;
        return work;
    }
}
