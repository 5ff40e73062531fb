using System.Diagnostics;
using System.Globalization;
using System.Net.Sockets;
using System.Text;
using FedCore.Tests;

namespace FedCore.Cli.Tests.Service;

/// <summary>The aggregator as a unit of systemd, as far as it can be without one: a shell of that name starts it.</summary>
public class SystemdTests
{
    [Fact]
    public async Task A_unit_of_systemd_says_when_it_serves_and_when_it_stops()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "systemd is Linux's.");
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
        limit.CancelAfter(TimeSpan.FromMinutes(1));
        using var folder = new TemporaryFolder();
        File.Copy("/bin/sh", folder["systemd"]);
        using var notices = new Socket(AddressFamily.Unix, SocketType.Dgram, ProtocolType.Unspecified);
        notices.Bind(new UnixDomainSocketEndPoint(folder["notify"]));

        // Behind a background job the shell stays the parent.
        string[] command = [Path.Combine(AppContext.BaseDirectory, "fedcore"), "aggregator", "--set", $"dataFolder={folder["data"]}", "--set", "listen=[\\\"http://127.0.0.1:0\\\"]"];
        var start = new ProcessStartInfo(folder["systemd"], ["-c", $"{string.Join(' ', command.Select(word => $"\"{word}\""))} >&2 & echo $!; wait $!"]) { RedirectStandardOutput = true, RedirectStandardError = true };
        start.Environment["NOTIFY_SOCKET"] = folder["notify"];
        using Process shell = Process.Start(start)!;
        Task<string> log = shell.StandardError.ReadToEndAsync(limit.Token);
        int aggregator = int.Parse((await shell.StandardOutput.ReadLineAsync(limit.Token))!, CultureInfo.InvariantCulture);
        try
        {
            Assert.Contains("READY=1", await NextAsync(), StringComparison.Ordinal);
            Process.Start("kill", ["-TERM", $"{aggregator}"]).Dispose();
            Assert.Contains("STOPPING=1", await NextAsync(), StringComparison.Ordinal);
            await shell.WaitForExitAsync(limit.Token);
        }
        finally
        {
            shell.Kill(entireProcessTree: true);
        }

        Assert.True(shell.ExitCode == 0, await log);

        async Task<string> NextAsync()
        {
            byte[] notice = new byte[1000];
            return Encoding.UTF8.GetString(notice, 0, await notices.ReceiveAsync(notice, limit.Token));
        }
    }
}
