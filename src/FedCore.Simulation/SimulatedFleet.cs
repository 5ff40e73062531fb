using System.Buffers;
using System.Collections.Concurrent;
using System.Numerics.Tensors;
using System.Runtime.InteropServices;
using System.Threading.Channels;
using FedCore.Compression;
using FedCore.Privacy.Sampling;
using FedCore.Rounds;
using FedCore.SecureAggregation.Identity;
using FedCore.SecureAggregation.Ring;
using FedCore.SecureAggregation.Sessions;
using FedCore.Simulation.ClientStates;
using FedCore.Simulation.Devices;
using FedCore.Simulation.Poisoning;
using FedCore.Training;
using FedCore.Training.Data;
using FedCore.Updates;

namespace FedCore.Simulation;

/// <summary>
/// Clients that exist in this process. When a client would answer is decided by virtual devices when it is asked; its training is computed only when
/// its update is read, so a client who comes too late costs nothing, and no more models are in memory than threads work.
/// </summary>
internal sealed class SimulatedFleet : IFleet, IClientDirectory, IDisposable
{
    private readonly RunPlan _plan;
    private readonly IFederatedData _data;
    private readonly ITrainer _trainer;
    private readonly DeviceModel _devices;
    private readonly VirtualClock _clock;
    private readonly SimulatedReplies _replies;
    private readonly IProgress<SiteTask>? _progress;
    private readonly ClientStateStore _states;
    private readonly ConcurrentStack<Seat> _seats = new();
    private readonly IPoisoning? _poisoning;
    private readonly HashSet<long> _attackers;
    private readonly SimulatedParties? _parties;

    public SimulatedFleet(
        RunPlan plan, IFederatedData data, ITrainer trainer, DeviceModel devices, VirtualClock clock, ClientStateStore states, Attackers? attackers = null,
        IProgress<SiteTask>? progress = null)
    {
        (_plan, _data, _trainer, _devices, _clock, _states, _progress) = (plan, data, trainer, devices, clock, states, progress);
        attackers?.Behavior.Check(plan.Model);
        (_poisoning, _attackers) = (attackers?.Behavior, attackers?.Choose(plan, data.ClientCount) ?? []);
        _replies = new SimulatedReplies(clock);
        if (plan.Definition.SecureAggregation is not null) _parties = new SimulatedParties(plan);
    }

    public IClientDirectory Clients => this;

    public long Count => _data.ClientCount;

    public ChannelReader<FleetReply> Replies => _replies;

    public ISiteIdentities? Identities => _parties;

    public ClientDescriptor Get(long index) => _devices.Describe(new ClientDescriptor(index, new ClientId(_data.NameOf(index))));

    public ValueTask SendAsync(ClientDescriptor to, SiteTask task, CancellationToken ct)
    {
        if (task is ExchangeTask exchange)
        {
            _replies.Add(new FleetReply(task, ClientOutcome.Reported) { Answer = new LazyAnswer(this, to, exchange) }, 0);
            return ValueTask.CompletedTask;
        }

        int? planned = (task as TrainTask)?.Work.StepsFor(_data.TrainCountOf(to.Index));
        DeviceAnswer answer = task is TrainTask train
            ? _devices.Answer(train, to, _data.TrainCountOf(to.Index), _clock.GetUtcNow())
            : new DeviceAnswer(ClientOutcome.Reported, 0, 0);
        FleetReply reply = answer.Outcome switch
        {
            ClientOutcome.Reported => new FleetReply(task, answer.Outcome, UpdateOf(to, task, answer.Steps), Steps: answer.Steps, PlannedSteps: planned),
            ClientOutcome.Declined => new FleetReply(task, answer.Outcome, Reason: "client.unavailable"),
            _ => new FleetReply(task, answer.Outcome, Reason: "client.vanished"),
        };
        _replies.Add(reply, answer.Seconds);
        return ValueTask.CompletedTask;
    }

    private IUpdateSource UpdateOf(ClientDescriptor client, SiteTask task, int steps)
    {
        var update = new LazyUpdate(this, client, task, steps);
        return _parties is null && PoisoningOf(client, task) is { UpdateFactor: not 1 and var factor } ? new ScaledUpdate(update, factor) : update;
    }

    // A client's own share of noise. Data that are here protect nobody, and results must repeat.
    private SimulationRandomBytes NoiseOf(int round, string site) => new(_plan.Random.Stream("simulated noise", round, site));

    private IPoisoning? PoisoningOf(ClientDescriptor client, SiteTask task) => task is TrainTask && _attackers.Contains(client.Index) ? _poisoning : null;

    public void Withdraw(SiteTask task) => _replies.Withdraw(task);

    public void Settle(TrainTask task, bool counts) => _states.Settle(task, counts);

    public void Dispose()
    {
        _parties?.Dispose();
        while (_seats.TryPop(out Seat? seat)) seat.Dispose();
    }

    /// <summary>What one thread trains with: a model with its buffers, the states of the client whose turn it is, and its update as bytes, where the run has them.</summary>
    private sealed class Seat(SimulatedFleet fleet) : IDisposable
    {
        private readonly UpdateEncoder? _encoder = fleet._parties is null ? fleet._plan.Codec?.CreateEncoder() : fleet._plan.WireCodec.CreateEncoder();
        private readonly ArrayBufferWriter<byte> _bytes = new();
        private UpdateEncoder? _metrics;

        public ITrainingWorkspace Workspace { get; } = fleet._trainer.Open(fleet._plan);

        public ClientStateBuffer State { get; } = new(fleet._states);

        /// <summary>What the server reads of an update where it is sent as bytes, which it checks like anybody's; null where it is sent as it is.</summary>
        public IUpdateReader? Encode(Update update, int round, string site)
        {
            if (_encoder is null) return null;
            _bytes.ResetWrittenCount();
            _encoder.Encode(update, State, round, fleet._plan.Random.Stream("rounding", round, site), _bytes);
            fleet._plan.Codec!.Check(_bytes.WrittenMemory, round);
            return fleet._plan.Codec.Open(_bytes.WrittenMemory, round);
        }

        /// <summary>What a client sends of its update, or of its metrics, into a sum in the ring.</summary>
        public byte[] WriteInto(UpdateRing ring, Update update, SiteTask task, string site, float factor, InputMask? mask)
        {
            UpdateEncoder encoder = task is TrainTask ? _encoder! : _metrics ??= fleet._plan.EvaluateCodec.CreateEncoder();
            _bytes.ResetWrittenCount();
            encoder.Encode(update, State, task.Round, fleet._plan.Random.Stream("rounding", task.Round, site), _bytes);
            byte[] plain = _bytes.WrittenSpan.ToArray();
            Span<float> vector = MemoryMarshal.Cast<byte, float>(plain.AsSpan(update.Scalars.Length * sizeof(double)));
            if (factor != 1) TensorPrimitives.Multiply(vector, factor, vector);
            _bytes.ResetWrittenCount();
            using var encoded = new EncodedInMemory(plain);
            using RandomBytes noise = fleet.NoiseOf(task.Round, site);
            ring.Write(encoded, fleet._plan.Random.Stream("ring", task.Round, site), noise, mask, _bytes);
            return _bytes.WrittenSpan.ToArray();
        }

        public void Dispose()
        {
            Workspace.Dispose();
            State.Dispose();
            _encoder?.Dispose();
            _metrics?.Dispose();
        }
    }

    private sealed class LazyUpdate(SimulatedFleet fleet, ClientDescriptor client, SiteTask task, int steps) : IUpdateSource
    {
        public async ValueTask<IUpdateReader> OpenAsync(CancellationToken ct)
        {
            if (!fleet._seats.TryPop(out Seat? seat)) seat = new Seat(fleet);
            var reader = new Reader(fleet, seat);
            try
            {
                ClientData data = fleet._data.Get(client.Index);
                IPoisoning? poisoning = fleet.PoisoningOf(client, task);
                if (poisoning is not null) data = poisoning.Poison(data, fleet._plan.Model);
                seat.State.Begin(client.Index);
                if (task is TrainTask train)
                {
                    reader.Update = await seat.Workspace.TrainAsync(train with { PrivateRandom = purpose => new SimulationRandomBytes(fleet._plan.Random.Stream("simulated examples' " + purpose, train.Round, client.Id.Name)) }, client.Id.Name, data, steps, seat.State, ct).ConfigureAwait(false);
                    fleet._progress?.Report(task);
                    bool countsAsNothing = fleet._plan.Privacy is { IsAtSites: false } && poisoning is null && !(reader.Update.IsFinite && seat.State.IsFinite);
                    if (countsAsNothing) reader.Update.CountAsNothing();
                    if (!reader.Update.IsFinite || !float.IsFinite(poisoning?.UpdateFactor ?? 1))
                        throw new UpdateRefusedException(UpdateRefusedException.NotFinite, $"The update of client '{client.Id}' is not finite.");
                    if (fleet._parties is null) reader.Decoded = seat.Encode(reader.Update, train.Round, client.Id.Name);
                    if (countsAsNothing) return reader;
                    if (!seat.State.IsFinite)
                        throw new UpdateRefusedException(UpdateRefusedException.NotFinite, $"What client '{client.Id}' keeps is not finite.");
                    seat.State.Keep(train);
                }
                else
                {
                    reader.Update = seat.Workspace.Evaluate((EvaluateTask)task, client.Id.Name, data, seat.State);
                    fleet._progress?.Report(task);
                }

                return reader;
            }
            catch
            {
                reader.Dispose();
                throw;
            }
        }
    }

    /// <summary>A client's part in a secure sum. What is summed, the most costly, is computed when the masked input is wanted, like an update when it is read.</summary>
    private sealed class LazyAnswer(SimulatedFleet fleet, ClientDescriptor client, ExchangeTask task) : IExchangeAnswer
    {
        public async ValueTask<IEncodedUpdate> OpenAsync(CancellationToken ct)
        {
            string site = client.Id.Name;
            if (task.Terms is not null && task.Stage != SessionStage.Mask) return new EncodedInMemory(fleet._parties!.Answer(site, task));
            using InputMask? mask = task.Terms is null ? null : fleet._parties!.Mask(site, task);
            using var reader = (Reader)await task.Result!.OpenAsync(ct).ConfigureAwait(false);
            return new EncodedInMemory(reader.Seat.WriteInto(task.Ring, reader.Update, task.Of, site, fleet.PoisoningOf(client, task.Of)?.UpdateFactor ?? 1, mask));
        }
    }

    private sealed class Reader(SimulatedFleet fleet, Seat seat) : IUpdateReader
    {
        private Seat? _seat = seat;

        public Seat Seat => _seat ?? throw new ObjectDisposedException(nameof(Reader));

        public Update Update { get; set; } = null!;

        /// <summary>What came out of the update's bytes; null where it is sent as it is.</summary>
        public IUpdateReader? Decoded { get; set; }

        public int Contributors => 1;

        public long? ByteLength => Decoded?.ByteLength;

        public ReadOnlySpan<double> Scalars => Decoded is { } decoded ? decoded.Scalars : Update.Scalars;

        public ReadOnlySpan<float> Read(long offset) => Decoded is { } decoded ? decoded.Read(offset) : Update.ReadBlock(offset);

        // Whoever disposes twice must not hand the seat to two threads.
        public void Dispose()
        {
            if (Interlocked.Exchange(ref _seat, null) is { } seat) fleet._seats.Push(seat);
        }
    }
}
