using FedCore.Aggregator.Storage;
using Microsoft.Win32.SafeHandles;

namespace FedCore.Aggregator.Tests;

/// <summary>A disk that does what a test wants of it, and is fast otherwise: it syncs nothing.</summary>
internal sealed class TestDisk : Disk
{
    /// <summary>Called before a file is synced.</summary>
    public Action? OnSync { get; set; }

    /// <summary>Called before a folder is synced.</summary>
    public Action? OnSyncFolder { get; set; }

    public static void Fail() => throw new IOException("Input/output error", 5);

    public override void Sync(SafeFileHandle file)
    {
        Count(1);
        OnSync?.Invoke();
    }

    public override void SyncFolder(string path)
    {
        Count(1);
        OnSyncFolder?.Invoke();
    }
}
