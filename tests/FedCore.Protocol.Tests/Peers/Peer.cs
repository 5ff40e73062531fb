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
        string? fault = await FaultOfAsync(Python, "-c", "import grpc");
        return new Peer([Python, Script("python", "client.py")], [Python, Script("python", "server.py")], fault is null ? null : $"grpcio is not here (apt-get install python3-grpcio): {fault}");
    }

    // The packages are kept between runs.
    private static async Task<Peer> FindNodeAsync()
    {
        string packages = Path.Combine(Folder, "obj", "peers");
        string? fault = await FaultOfAsync(Script("node", "install"), packages);
        return new Peer(["node", Script("node", "client.js"), packages], ["node", Script("node", "server.js"), packages], fault is null ? null : $"@grpc/grpc-js is not here (npm): {fault}");
    }

    private static string Script(string language, string name) => Path.Combine(Folder, "Peers", language, name);

    private static async Task<string?> FaultOfAsync(params string[] command)
    {
        try
        {
            using Process process = Process.Start(new ProcessStartInfo(command[0], command[1..]) { RedirectStandardError = true, RedirectStandardOutput = true })!;
            Task<string> output = process.StandardOutput.ReadToEndAsync();
            string errors = await process.StandardError.ReadToEndAsync();
            await output;
            await process.WaitForExitAsync();
            return process.ExitCode == 0 ? null : errors;
        }
        catch (System.ComponentModel.Win32Exception fault)
        {
            return fault.Message;
        }
    }
}
