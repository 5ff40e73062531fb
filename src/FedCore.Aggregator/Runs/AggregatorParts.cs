using FedCore.Aggregator.Fleet;
using FedCore.Aggregator.Journal;
using FedCore.Aggregator.Models;
using FedCore.Aggregator.Privacy;
using FedCore.Aggregator.Settings;
using FedCore.Aggregator.Sites;
using FedCore.Aggregator.Spooling;
using FedCore.Aggregator.Telemetry;
using FedCore.Hosting.Federation;
using FedCore.Naming;
using FedCore.Numerics;
using FedCore.Privacy.Sampling;
using Microsoft.Extensions.Logging;

namespace FedCore.Aggregator.Runs;

/// <summary>What all runs of an aggregator share.</summary>
internal sealed record AggregatorParts(
    AggregatorSettings Settings, Registry Registry, IEventLog Log, Spool Spool, BlobReferences Blobs, SiteDirectory Sites, RosterFile? Roster, PrivacyBook Privacy, Lazy<NoiseKey> NoiseKey, TaskBoard Board, AggregatorMetrics Metrics,
    VectorStorage Vectors, TimeProvider Clock, ILogger Logger);
