using FedCore.Aggregation;
using FedCore.Updates;

namespace FedCore.Rounds.Engine;

/// <summary>A client at work for the open round: what it was told, and its update once there is one. It is lost with the process.</summary>
internal sealed class Flight(ClientDescriptor client, TrainTask task, DateTimeOffset asked, ModelVersion? version)
{
    public ClientDescriptor Client => client;

    public TrainTask Task => task;

    public DateTimeOffset Asked => asked;

    /// <summary>The model that it started from, where the present one may be another.</summary>
    public ModelVersion? Version => version;

    public IUpdateSource? Update { get; set; }

    /// <summary>What the aggregation saw of it, where the run discloses that.</summary>
    public ObservedUpdate? Observed { get; set; }
}
