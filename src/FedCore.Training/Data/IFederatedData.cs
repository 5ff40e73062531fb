using System.Security.Cryptography;
using FedCore.Rounds;

namespace FedCore.Training.Data;

/// <summary>Examples that lie with clients. A client's examples are made when they are asked for, so that clients who are never chosen cost nothing.</summary>
public interface IFederatedData
{
    /// <summary>Number of clients.</summary>
    long ClientCount { get; }

    /// <summary>A client's name.</summary>
    /// <param name="index">0 to <see cref="ClientCount"/> - 1.</param>
    /// <returns>The name, unique among the clients.</returns>
    string NameOf(long index);

    /// <summary>How many examples a client trains on, without making them.</summary>
    /// <param name="index">The client.</param>
    /// <returns>The number, at least 1.</returns>
    int TrainCountOf(long index);

    /// <summary>A client's examples. Safe for many threads.</summary>
    /// <param name="index">The client.</param>
    /// <returns>The examples.</returns>
    ClientData Get(long index);

    /// <summary>Adds the examples' content to a digest, so that a run is not resumed with others. What is generated from the run file adds nothing.</summary>
    /// <param name="digest">The digest.</param>
    void AddTo(IncrementalHash digest)
    {
    }
}

/// <summary>Clients whose examples are generated. Registered by name; public properties are its parameters.</summary>
public interface IClientGenerator
{
    /// <summary>How many clients there are; null where that is not known before they are made.</summary>
    long? ClientCount => null;

    /// <summary>The clients.</summary>
    /// <param name="run">The run, whose model says what examples must look like.</param>
    /// <returns>The clients' examples, made when they are asked for.</returns>
    IFederatedData Create(RunPlan run);
}

/// <summary>The names of clients that have none of their own: <c>client-00042</c>.</summary>
public static class ClientNames
{
    // The receipts of a long run name the same clients again and again; those of small populations share one string.
    private static readonly string?[] First = new string?[10_000];

    /// <summary>A client's name.</summary>
    /// <param name="index">Its index.</param>
    /// <returns>The name; names sort like indices below a million.</returns>
    public static string Of(long index) => index >= 0 && index < First.Length ? First[index] ??= Format(index) : Format(index);

    private static string Format(long index) => string.Create(System.Globalization.CultureInfo.InvariantCulture, $"client-{index:D6}");
}
