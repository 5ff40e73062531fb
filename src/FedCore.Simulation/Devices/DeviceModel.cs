using FedCore.Numerics;
using FedCore.Rounds;
using FedCore.Strategies;

namespace FedCore.Simulation.Devices;

/// <summary>What a device makes of a task.</summary>
/// <param name="Outcome">Whether it reports, declines or is lost.</param>
/// <param name="Seconds">Virtual seconds until the server knows.</param>
/// <param name="Steps">Local steps that it takes.</param>
internal readonly record struct DeviceAnswer(ClientOutcome Outcome, double Seconds, int Steps);

/// <summary>Decides, for every client and round anew but always the same for the same run, how fast a device is and whether it answers.</summary>
internal sealed class DeviceModel
{
    private readonly RunPlan _plan;
    private readonly IReadOnlyList<DeviceProfile> _profiles;
    private readonly double _shares;
    private readonly Stragglers? _stragglers;
    private (int Round, int[] Ranks) _ranks;

    public DeviceModel(RunPlan plan, IReadOnlyList<DeviceProfile> profiles, Stragglers? stragglers)
    {
        _plan = plan;
        _profiles = profiles;
        _shares = profiles.Sum(profile => profile.Share);
        _stragglers = stragglers;
        if (stragglers is not null && plan.Definition.Rounds.DeadlineSeconds is null)
        {
            throw FedCoreException.Configuration(
                "simulation.stragglers", "simulation.stragglers are clients that miss the deadline, but rounds.deadlineSeconds is not set. Set it, such as to 100.");
        }
    }

    /// <summary>Whether every device answers at once with all its work.</summary>
    public bool IsIdeal => _profiles.Count == 0 && _stragglers is null;

    /// <summary>What a client would say of its device.</summary>
    public ClientDescriptor Describe(ClientDescriptor client) => ProfileOf(client) is not { } profile ? client : client with
    {
        Cores = profile.Cores,
        MemoryBytes = profile.MemoryMb is { } megabytes ? (long)(megabytes * 1e6) : null,
        ExamplesPerSecond = profile.ExamplesPerSecond * SpeedFactor(profile, client),
        DownBytesPerSecond = profile.DownBytesPerSecond,
        UpBytesPerSecond = profile.UpBytesPerSecond,
        Availability = profile.Online,
    };

    /// <summary>What a client's device makes of a training task.</summary>
    public DeviceAnswer Answer(TrainTask task, ClientDescriptor client, int examples, DateTimeOffset now)
    {
        ClientTask work = task.Work;
        int steps = work.StepsFor(examples);
        if (IsIdeal) return new DeviceAnswer(ClientOutcome.Reported, 0, steps);

        DeviceProfile? profile = ProfileOf(client);
        RandomStream random = _plan.World.Stream("device", task.Round, client.Id.Name);
        if (!client.IsAvailableAt(now)) return new DeviceAnswer(ClientOutcome.Declined, 0, 0);
        if (profile is not null && random.NextDouble() >= profile.Availability) return new DeviceAnswer(ClientOutcome.Declined, 0, 0);

        double deadline = _plan.Definition.Rounds.DeadlineSeconds ?? double.PositiveInfinity;
        double down = 0, up = 0, secondsPerStep = 0;
        if (profile is not null)
        {
            secondsPerStep = _plan.ExamplesPerStep(work, examples) / client.ExamplesPerSecond!.Value;
            down = _plan.TaskBytes / (profile.DownBytesPerSecond ?? double.PositiveInfinity);
            up = _plan.UpdateBytes / (profile.UpBytesPerSecond ?? double.PositiveInfinity);
        }

        double available = deadline - down - up;
        int possible = secondsPerStep > 0 && available / secondsPerStep < steps ? Math.Max(0, (int)(available / secondsPerStep)) : steps;
        double full = down + steps * secondsPerStep + up;
        if (IsStraggler(task))
        {
            int part = PartOf(work, examples, steps, random);
            possible = Math.Min(possible, part);
            full = Math.Max(full, deadline * steps / part);
        }

        if (profile is not null && random.NextDouble() < profile.Dropout)
            return new DeviceAnswer(ClientOutcome.Lost, Math.Min(full, deadline) * random.NextDouble() + profile.LivenessSeconds, 0);
        return possible < steps && possible > 0 && work.AcceptPartialWork
            ? new DeviceAnswer(ClientOutcome.Reported, deadline, possible)
            : new DeviceAnswer(ClientOutcome.Reported, full, steps);
    }

    private DeviceProfile? ProfileOf(ClientDescriptor client)
    {
        if (_profiles.Count == 0) return null;
        double place = _plan.World.Stream("device profile", 0, client.Id.Name).NextDouble() * _shares;
        foreach (DeviceProfile profile in _profiles)
        {
            place -= profile.Share;
            if (place < 0) return profile;
        }

        return _profiles[^1];
    }

    private double SpeedFactor(DeviceProfile profile, ClientDescriptor client) => profile.SpeedSpread == 0
        ? 1
        : Math.Exp(profile.SpeedSpread * _plan.World.Stream("device speed", 0, client.Id.Name).NextNormal());

    private bool IsStraggler(TrainTask task)
    {
        if (_stragglers is null) return false;
        if (_ranks.Round != task.Round || _ranks.Ranks.Length != task.CohortSize)
        {
            int[] ranks = [.. Enumerable.Range(0, task.CohortSize)];
            _plan.World.Stream("stragglers", task.Round).Shuffle<int>(ranks);
            _ranks = (task.Round, ranks);
        }

        return _ranks.Ranks[task.Position] < (int)Math.Round(_stragglers.Share * task.CohortSize);
    }

    // A single step has no part: 0, which takes for ever.
    private static int PartOf(ClientTask work, int examples, int steps, RandomStream random)
    {
        int epochs = work.Work.Epochs;
        return epochs > 1
            ? (1 + random.NextInt32(epochs - 1)) * LocalWork.StepsPerEpoch(examples, work.BatchSize)
            : Math.Max(steps == 1 ? 0 : 1, (int)(random.NextDouble() * steps));
    }
}
