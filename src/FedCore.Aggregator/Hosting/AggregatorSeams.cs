using FedCore.Aggregator.Journal;
using FedCore.Aggregator.Storage;

namespace FedCore.Aggregator.Hosting;

/// <summary>Where tests take hold of an aggregator.</summary>
internal sealed record AggregatorSeams
{
    /// <summary>The clock.</summary>
    public TimeProvider Clock { get; init; } = TimeProvider.System;

    /// <summary>What makes things durable.</summary>
    public Disk Disk { get; init; } = new();

    /// <summary>Puts something before the journal.</summary>
    public Func<IEventLog, IEventLog> Wrap { get; init; } = log => log;
}
