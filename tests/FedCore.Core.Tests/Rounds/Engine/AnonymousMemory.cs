using System.Buffers.Text;
using Microsoft.Win32.SafeHandles;

namespace FedCore.Core.Tests.Rounds.Engine;

/// <summary>
/// How much more memory of its own this process has had since: its anonymous pages, not those of files. Linux keeps no maximum of them, so a thread looks every 5 ms. Only for tests
/// beside which none run.
/// </summary>
internal sealed class AnonymousMemory : IDisposable
{
    private readonly SafeFileHandle _status;
    private readonly byte[] _text = new byte[8192];
    private readonly ManualResetEvent _stop = new(false);
    private readonly Thread _thread;
    private readonly long _before;
    private long _most;

    public AnonymousMemory()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "/proc/self/status is Linux's.");
        GC.Collect(GC.MaxGeneration, GCCollectionMode.Aggressive, blocking: true, compacting: true);
        GC.WaitForPendingFinalizers();
        GC.Collect(GC.MaxGeneration, GCCollectionMode.Aggressive, blocking: true, compacting: true);
        _status = File.OpenHandle("/proc/self/status");
        _before = _most = Read();
        _thread = new Thread(Watch) { IsBackground = true };
        _thread.Start();
    }

    /// <summary>Ends the watch.</summary>
    /// <returns>The most bytes above those of the beginning.</returns>
    public long Stop()
    {
        _stop.Set();
        _thread.Join();
        return _most - _before;
    }

    public void Dispose()
    {
        Stop();
        _stop.Dispose();
        _status.Dispose();
    }

    private void Watch()
    {
        do _most = Math.Max(_most, Read());
        while (!_stop.WaitOne(5));
    }

    private long Read()
    {
        ReadOnlySpan<byte> text = _text.AsSpan(0, RandomAccess.Read(_status, _text, 0)), key = "RssAnon:"u8;
        ReadOnlySpan<byte> value = text[(text.IndexOf(key) + key.Length)..].TrimStart(" \t"u8);
        Assert.True(Utf8Parser.TryParse(value, out long kilobytes, out int digits) && digits > 0);
        return kilobytes * 1024;
    }
}
