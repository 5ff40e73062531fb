using System.Diagnostics;

namespace FedCore.IntegrationTests;

/// <summary>An aggregator whose disk is full: a small file system of its own, with something on it that takes the room.</summary>
public class FullDiskTests : HospitalTests
{
    private const long Size = 128 << 20;

    // The model that the run starts from fits, and the updates of its four sites do not.
    private const long Room = 2 * Hospitals.LargeUpdate;

    [Fact]
    public async Task While_the_disk_is_full_sites_are_told_and_the_aggregator_answers_and_when_there_is_room_the_run_goes_on()
    {
        Assert.SkipUnless(await CanMountAsync(), "A file system can be mounted on Linux only, where user namespaces are allowed.");
        await using var hospitals = new Hospitals { Launcher = ["unshare", "--map-root-user", "--mount", "sh", "-c", $"mount -t tmpfs -o size={Size} none aggregator && exec \"$0\" \"$@\""] };
        await hospitals.InitializeAsync();
        string ballast = Path.Combine(hospitals.AggregatorFolder, "ballast");
        long free = new DriveInfo(hospitals.AggregatorFolder).AvailableFreeSpace;
        await File.WriteAllBytesAsync(ballast, new byte[free - Room], TestContext.Current.CancellationToken);
        await hospitals.FedcoreAsync(Hospitals.Create("full", Hospitals.Large));
        await hospitals.Site(Hospitals.Far).WaitForAsync("Sending the answer to round 1 of full failed: ");
        Assert.Equal("running", (await hospitals.RunAsync("full")).GetProperty("phase").GetString());
        File.Delete(ballast);
        await hospitals.AssertLikeSimulationAsync("full", Hospitals.Large);
    }

    private static async Task<bool> CanMountAsync()
    {
        if (!OperatingSystem.IsLinux()) return false;
        try
        {
            using Process process = Process.Start(new ProcessStartInfo("unshare", ["--map-root-user", "--mount", "mount", "-t", "tmpfs", "none", "/tmp"]) { RedirectStandardError = true })!;
            await process.WaitForExitAsync(TestContext.Current.CancellationToken);
            return process.ExitCode == 0;
        }
        catch (System.ComponentModel.Win32Exception)
        {
            return false;
        }
    }
}
