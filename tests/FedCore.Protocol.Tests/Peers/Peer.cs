using System.Diagnostics;
using FedCore.Tests;

namespace FedCore.Protocol.Tests.Peers;

/// <summary>An implementation of gRPC in another language: how its client and its server are started, or why they cannot be.</summary>
internal sealed record Peer(string[] Client, string[] Server, string? Absence = null)
{
    private static readonly string Folder = Path.Combine(SharedData.Repository, "tests", "FedCore.Protocol.Tests");
    private static readonly Lazy<Task<Peer>> FoundPython = new(FindPythonAsync), FoundNode = new(FindNodeAsync);

    /// <summary>grpcio, in Debian's python3-grpcio.</summary>
    public static Task<Peer> PythonAsync() => FoundPython.Value;

    /// <summary>@grpc/grpc-js, from npm.</summary>
    public static Task<Peer> NodeAsync() => FoundNode.Value;

    private static async Task<Peer> FindPythonAsync()
    {
        const string Python = "/usr/bin/python3";
        string? fault = await FaultOfAsync(".", Python, "-c", "import grpc");
        return new Peer([Python, Script("python", "client.py")], [Python, Script("python", "server.py")], fault is null ? null : $"grpcio is not here (apt-get install python3-grpcio): {fault}");
    }

    // The packages are kept between runs, as long as the lock file stays what it is.
    private static async Task<Peer> FindNodeAsync()
    {
        string packages = Path.Combine(Folder, "obj", "peers");
        string source = Path.Combine(Folder, "Peers", "node"), kept = Path.Combine(packages, "kept.json");
        string locked = await File.ReadAllTextAsync(Path.Combine(source, "package-lock.json"));
        string? fault = null;
        if (!File.Exists(kept) || locked != await File.ReadAllTextAsync(kept))
        {
            Directory.CreateDirectory(packages);
            foreach (string name in (string[])["package.json", "package-lock.json"]) File.Copy(Path.Combine(source, name), Path.Combine(packages, name), overwrite: true);
            fault = await FaultOfAsync(packages, "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund");
            if (fault is null) await File.WriteAllTextAsync(kept, locked);
        }

        return new Peer(["node", Script("node", "client.js"), packages], ["node", Script("node", "server.js"), packages], fault is null ? null : $"@grpc/grpc-js is not here: {fault}");
    }

    private static string Script(string language, string name) => Path.Combine(Folder, "Peers", language, name);

    private static async Task<string?> FaultOfAsync(string folder, params string[] command)
    {
        try
        {
            using Process process = Process.Start(new ProcessStartInfo(command[0], command[1..]) { WorkingDirectory = folder, RedirectStandardError = true, RedirectStandardOutput = true })!;
            Task<string> output = process.StandardOutput.ReadToEndAsync();
            string errors = await process.StandardError.ReadToEndAsync();
            await output;
            await process.WaitForExitAsync();
            return process.ExitCode == 0 ? null : errors;
        }
        catch (Exception fault) when (fault is System.ComponentModel.Win32Exception)
        {
            return fault.Message;
        }
    }
}
