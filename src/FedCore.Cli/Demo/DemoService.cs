using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using FedCore.Cli.Service;
using FedCore.Protocol.V1;

namespace FedCore.Cli.Demo;

/// <summary>An aggregator and a client for each hospital, as processes on this machine that speak over loopback.</summary>
internal sealed partial class DemoService : IAsyncDisposable
{
    private const string Settings = "appsettings.json", Token = "join.token";

    private readonly List<ServiceProcess> _processes = [];

    private DemoService(AdminConnection connection, string address) => (Connection, Address) = (connection, address);

    /// <summary>The coordinator's connection.</summary>
    public AdminConnection Connection { get; }

    /// <summary>Where the aggregator is.</summary>
    public string Address { get; }

    /// <summary>Ends when a process has that should not.</summary>
    public Task<Task<FedCoreException>> Broken => Task.WhenAny(_processes.Select(process => process.Ended));

    /// <summary>Starts them.</summary>
    /// <param name="folder">The demo's folder, in which each has one.</param>
    /// <param name="hospitals">The hospitals.</param>
    /// <param name="say">Hears what goes on.</param>
    /// <param name="ct">Cancels the start.</param>
    public static async Task<DemoService> StartAsync(string folder, IReadOnlyList<DemoHospital> hospitals, Action<string> say, CancellationToken ct)
    {
        say("starting the aggregator");
        string home = Path.Combine(folder, "aggregator");
        Directory.CreateDirectory(home);
        await DemoFederation.WriteAsync(folder, hospitals);
        ServiceProcess aggregator = ServiceProcess.Start(
            home, Path.Combine(home, "aggregator.log"), "serving ", "aggregator", "--set", "dataFolder=data", "--set", """listen=["http://127.0.0.1:0"]""", "--set", $"roster={DemoFederation.Settings.ToJsonString()}");
        DemoService? service = null;
        try
        {
            string address = AddressIn().Match(await aggregator.ReadyAsync(ct)).Value;
            service = new DemoService(AdminConnection.Connect(address, Path.Combine(home, "data", "coordinator.token"), null), address);
        }
        finally
        {
            if (service is null) await aggregator.DisposeAsync();
        }

        service._processes.Add(aggregator);
        try
        {
            foreach (DemoHospital hospital in hospitals)
            {
                say($"starting {hospital.Name}");
                await service.AddAsync(Path.Combine(folder, hospital.Name), hospital, ct);
            }

            foreach (ServiceProcess process in service._processes) await process.ReadyAsync(ct);
            return service;
        }
        catch
        {
            await service.DisposeAsync();
            throw;
        }
    }

    /// <summary>Ends all processes.</summary>
    public async ValueTask DisposeAsync()
    {
        Connection.Dispose();
        foreach (ServiceProcess process in Enumerable.Reverse(_processes)) await process.DisposeAsync();
    }

    private async Task AddAsync(string home, DemoHospital hospital, CancellationToken ct)
    {
        AddSiteReply added = await Connection.CallAsync(c => c.Admin.AddSiteAsync(new AddSiteRequest { Name = hospital.Name }, cancellationToken: ct).ResponseAsync, ct);
        await PrivateFile.WriteAsync(Path.Combine(home, Token), "though the demo's folder is new.", () => Task.FromResult(added.Token));
        var settings = new JsonObject
        {
            ["client"] = new JsonObject
            {
                ["aggregator"] = Address,
                ["tokenFile"] = Token,
                ["dataFolder"] = "data",
                ["identityKey"] = DemoFederation.IdentityKey,
                ["roster"] = DemoFederation.Settings,
                ["testFraction"] = hospital.TestFraction,
                ["data"] = hospital.Source.DeepClone(),
            },
        };
        await File.WriteAllTextAsync(Path.Combine(home, Settings), settings.ToJsonString(DemoFiles.Written), ct);
        _processes.Add(ServiceProcess.Start(home, Path.Combine(home, "client.log"), "Joined ", "client"));
    }

    [GeneratedRegex(@"http://[0-9.]+:[0-9]+")]
    private static partial Regex AddressIn();
}
