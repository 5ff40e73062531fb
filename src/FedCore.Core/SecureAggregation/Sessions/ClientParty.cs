using FedCore.SecureAggregation.Identity;
using FedCore.SecureAggregation.Messages;
using FedCore.SecureAggregation.Suites;

namespace FedCore.SecureAggregation.Sessions;

/// <summary>A client of secure aggregation, from session to session.</summary>
/// <param name="Name">Its name, as the roster has it.</param>
/// <param name="Key">Its identity key.</param>
/// <param name="Sites">Whose signatures it believes.</param>
/// <param name="Limits">What it demands.</param>
/// <param name="History">Which sessions of the run, for the same purpose, it has taken part in.</param>
public sealed record ClientParty(string Name, ISigningKey Key, ISiteIdentities Sites, ClientLimits Limits, SessionHistory History);

/// <summary>What a client knows by itself of the sum that it is asked to take part in.</summary>
/// <param name="Run">The hash of the run that it approved.</param>
/// <param name="Purpose">What it has to be summed: an update, or metrics.</param>
/// <param name="Round">The round that this is of.</param>
/// <param name="Encoding">The hash of the encoding that follows from the run and from how many were invited.</param>
/// <param name="Assignment">The hash of what it was given to do itself.</param>
public sealed record SessionExpectation(string Run, SumPurpose Purpose, int Round, ReadOnlyMemory<byte> Encoding, ReadOnlyMemory<byte> Assignment);
