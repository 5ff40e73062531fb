using System.Buffers;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Unicode;
using FedCore.Json;
using FedCore.Models;
using FedCore.Naming;
using FedCore.Numerics;
using FedCore.Rounds;

namespace FedCore.Simulation;

/// <summary>A run file with its <c>simulation</c> section.</summary>
/// <param name="Path">The file.</param>
/// <param name="Run">The run: what real sites would be asked to approve.</param>
/// <param name="Simulation">Where its simulated clients come from.</param>
public sealed record RunFile(string Path, RunDefinition Run, SimulationDefinition Simulation)
{
    private static readonly JsonSerializerOptions Indented = new() { WriteIndented = true };

    /// <summary>The folder of the file: relative paths begin there.</summary>
    public string Folder => System.IO.Path.GetDirectoryName(System.IO.Path.GetFullPath(Path))!;

    /// <summary>Reads and checks a file.</summary>
    /// <param name="path">The file.</param>
    /// <param name="assignments">Changes such as <c>strategy.mu=0.1</c>, made before the checks.</param>
    /// <param name="registry">The names that may stand in it.</param>
    /// <returns>The run and the section.</returns>
    /// <exception cref="FedCoreException">The file is not there or not as it must be; the message names place, value and remedy.</exception>
    public static RunFile Load(string path, IEnumerable<string> assignments, Registry registry)
    {
        JsonObject document = Open(path, assignments);
        SimulationDefinition simulation = JsonDocuments.Read<SimulatedRunDefinition>(document, registry, path).Simulation;
        document.Remove("simulation");
        return new RunFile(path, JsonDocuments.Read<RunDefinition>(document, registry, path), simulation);
    }

    /// <summary>Reads and checks the run of a file, for real sites: where simulated ones would come from is passed over.</summary>
    /// <param name="path">The file.</param>
    /// <param name="assignments">Changes such as <c>strategy.mu=0.1</c>, made before the checks.</param>
    /// <param name="registry">The names that may stand in it.</param>
    /// <returns>The run.</returns>
    /// <exception cref="FedCoreException">The file is not there or not as it must be; the message names place, value and remedy.</exception>
    public static RunDefinition LoadRun(string path, IEnumerable<string> assignments, Registry registry)
    {
        JsonObject document = Open(path, assignments);
        document.Remove("simulation");
        return JsonDocuments.Read<RunDefinition>(document, registry, path);
    }

    /// <summary>How many clients a file's simulation has.</summary>
    /// <param name="path">The file.</param>
    /// <param name="assignments">Changes, made before the checks.</param>
    /// <param name="registry">The names that may stand in it.</param>
    /// <returns>Their number; null where there is no simulation, or only its data say.</returns>
    /// <exception cref="FedCoreException">The file is not there or not as it must be.</exception>
    public static long? SimulatedClients(string path, IEnumerable<string> assignments, Registry registry) =>
        Open(path, assignments).ContainsKey("simulation") && Load(path, assignments, registry).Simulation is var simulation ? simulation.Clients?.ClientCount ?? simulation.Partition?.ClientCount : null;

    private static JsonObject Open(string path, IEnumerable<string> assignments)
    {
        ArgumentNullException.ThrowIfNull(assignments);
        if (Directory.Exists(path))
            throw FedCoreException.Configuration("run.file", $"The run file '{Shown.Of(path, 400)}' is a folder. Name the file in it, such as {Shown.Of(System.IO.Path.Combine(path, "run.json"), 400)}.");
        string text;
        try
        {
            text = ReadText(path);
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException or ArgumentException)
        {
            throw FedCoreException.Configuration("run.file", $"The run file '{Shown.Of(path, 400)}' cannot be read ({fault.Message.TrimEnd('.')}). Check the path.", fault);
        }

        JsonObject document = JsonDocuments.Parse(text, path);
        foreach (string assignment in assignments) JsonDocuments.Set(document, assignment);
        return document;
    }

    // Beside UTF-8 a file may be in UTF-16 or UTF-32, if it begins with their marks.
    private static string ReadText(string path)
    {
        byte[] bytes = File.ReadAllBytes(path);
        if (bytes is not ([0xFF, 0xFE, ..] or [0xFE, 0xFF, ..] or [0, 0, 0xFE, 0xFF, ..]) && !Utf8.IsValid(bytes))
        {
            int place = 0;
            while (Rune.DecodeFromUtf8(bytes.AsSpan(place), out _, out int length) == OperationStatus.Done) place += length;
            int line = 1 + bytes.AsSpan(0, place).Count((byte)'\n');
            throw FedCoreException.Configuration(
                "run.file", $"{path} line {line}: the byte 0x{bytes[place]:X2} at {place} is not UTF-8. Save the file as UTF-8.");
        }

        using var reader = new StreamReader(new MemoryStream(bytes));
        return reader.ReadToEnd();
    }

    /// <summary>The JSON schema of run files with a <c>simulation</c> section.</summary>
    /// <param name="registry">The names that may stand in them.</param>
    /// <param name="describe">Descriptions for editors, or null.</param>
    /// <returns>The schema.</returns>
    public static JsonObject Schema(Registry registry, Func<System.Reflection.MemberInfo, string?>? describe = null) =>
        JsonSchemas.For<SimulatedRunDefinition>(registry, describe);

    /// <summary>A run as a file that runs again: what was changed from the command line and what was left to its default is written out.</summary>
    /// <param name="plan">The run.</param>
    /// <param name="simulation">Where its clients came from; null for the run alone, in its canonical form.</param>
    /// <returns>The file. Without the section and white space it has the run's hash.</returns>
    public static byte[] Bytes(RunPlan plan, SimulationDefinition? simulation)
    {
        ArgumentNullException.ThrowIfNull(plan);
        if (simulation is null) return plan.CanonicalBytes.ToArray();
        JsonObject document = JsonNode.Parse(plan.CanonicalBytes.Span)!.AsObject();
        document["simulation"] = JsonSerializer.SerializeToNode(simulation, FedCoreJson.Options(plan.Registry));
        return JsonSerializer.SerializeToUtf8Bytes(document, Indented);
    }

    /// <summary>The model that the run starts from, or null where it draws one.</summary>
    /// <param name="plan">The run.</param>
    /// <param name="storage">Where its vectors lie; null for where a simulation's do by default.</param>
    /// <returns>The model.</returns>
    /// <exception cref="FedCoreException">The checkpoint is not there or not the one that the run names (<c>run.start</c>).</exception>
    public ModelState? LoadStart(RunPlan plan, VectorStorage? storage = null)
    {
        ArgumentNullException.ThrowIfNull(plan);
        if (Run.Start is not { } start) return null;
        if (start.Path.Contains('\0', StringComparison.Ordinal))
            throw FedCoreException.Configuration("run.start", $"{Path}: start.path is '{Shown.Of(start.Path)}', which is not the name of a file. Name a file that exists.");
        string path = System.IO.Path.Combine(Folder, start.Path);
        var state = new ModelState(plan.Model.Schema, storage ?? SimulationOptions.DefaultStorage);
        try
        {
            path = System.IO.Path.GetFullPath(path);
            using FileStream file = File.OpenRead(path);
            if (start.Sha256 is { } expected)
            {
                string digest = Convert.ToHexStringLower(SHA256.HashData(file));
                if (!digest.Equals(expected, StringComparison.OrdinalIgnoreCase))
                    throw FedCoreException.Configuration("run.start", $"{path}: its SHA-256 is {digest}, but start.sha256 is {expected}. It is another file than the run names.");
                file.Position = 0;
            }

            SafeTensors.Read(file, state);
            return state;
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException or ArgumentException or FedCoreException { Code: "model.safetensors" })
        {
            state.Dispose();
            throw FedCoreException.Configuration("run.start", $"{Shown.Of(path, 400)}: the run cannot start from it (start.path). {Shown.Of(fault.Message, 800)}", fault);
        }
    }

    /// <summary>A federated run and, for simulations, where its clients come from.</summary>
    private sealed record SimulatedRunDefinition : RunDefinition
    {
        /// <summary>Where the clients of a simulation come from; real sites ignore it.</summary>
        public required SimulationDefinition Simulation { get; init; }
    }
}
