using FedCore.Rounds;

namespace FedCore.Training.Data;

/// <summary>Where labelled examples come from. Registered by name; public properties are its parameters.</summary>
public interface IDataSource
{
    /// <summary>Reads the examples.</summary>
    /// <param name="request">What the run needs, and where files are.</param>
    /// <param name="ct">Cancels the reading.</param>
    /// <returns>The examples.</returns>
    /// <exception cref="FedCoreException">They are not there or not as the run needs them; the message says where.</exception>
    ValueTask<DataPool> LoadAsync(DataRequest request, CancellationToken ct);

    /// <summary>
    /// Looks whether the source is there and can be read, as far as that can be known without a run. It reads no examples. A site does so when it starts, so that it
    /// does not hear of a wrong path with its first task. A source that does not say how is taken to be there.
    /// </summary>
    /// <param name="folders">Where files are.</param>
    /// <param name="ct">Cancels the looking.</param>
    /// <exception cref="FedCoreException">It is not there, or cannot be read; the message says where.</exception>
    ValueTask CheckAsync(DataFolders folders, CancellationToken ct) => ValueTask.CompletedTask;
}

/// <summary>What a data source is asked for.</summary>
/// <param name="Run">The run, whose model and data contract say what examples look like.</param>
/// <param name="Folders">Where files are looked for.</param>
public sealed record DataRequest(RunPlan Run, DataFolders Folders)
{
    /// <summary>Where the source is written down, for messages: <c>simulation.data</c> in a run file, <c>data</c> in a site's settings.</summary>
    public string Key => Folders.Key;
}

/// <summary>Examples that were read.</summary>
/// <param name="Train">Examples for training, or all where there is no separate test set.</param>
/// <param name="Test">The test set that comes with the data, or null.</param>
/// <param name="Groups">The natural clients, such as one hospital each, or null.</param>
public sealed record DataPool(ExampleSet Train, ExampleSet? Test = null, IReadOnlyList<ExampleGroup>? Groups = null)
{
    /// <summary>What each client does with its own examples before training, or null.</summary>
    public IClientPreparation? Preparation { get; init; }

    /// <summary>How many records do not fit what the run says of its data, and count as none or are left out, since the run promises privacy; elsewhere such are refused.</summary>
    public int UnfitCount { get; init; }
}

/// <summary>A natural client: its name and its rows of the training set.</summary>
/// <param name="Name">The name, unique in the pool.</param>
/// <param name="Rows">The rows.</param>
public sealed record ExampleGroup(string Name, int[] Rows);

/// <summary>What a client does with its own examples before training, such as standardising them by its own means. It sees nobody else's.</summary>
public interface IClientPreparation
{
    /// <summary>Prepares a client's examples.</summary>
    /// <param name="data">The examples as they were read.</param>
    /// <param name="client">The client's name, for messages.</param>
    /// <returns>The prepared examples.</returns>
    ClientData Prepare(ClientData data, string client);
}
