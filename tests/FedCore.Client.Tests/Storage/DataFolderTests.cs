using FedCore.Client.Storage;
using FedCore.Tests;

namespace FedCore.Client.Tests.Storage;

/// <summary>What a client says that cannot open its folder.</summary>
public sealed class DataFolderTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("create")]
    [InlineData("write")]
    public void A_disk_without_room_may_have_some_later(string change)
    {
        var fault = Assert.Throws<FedCoreException>(() => DataFolder.Open(_folder["data"], new FullDisk(change)));
        Assert.Equal((FaultKind.Unreachable, "client.full"), (fault.Kind, fault.Code));
        Assert.Contains("Make room", fault.Message, StringComparison.Ordinal);
    }

    private sealed class FullDisk(string when) : Disk
    {
        protected override void Before(string change)
        {
            if (change.StartsWith(when, StringComparison.Ordinal)) throw new IOException("No space left on device", OperatingSystem.IsWindows() ? unchecked((int)0x80070070) : 28);
        }
    }
}
