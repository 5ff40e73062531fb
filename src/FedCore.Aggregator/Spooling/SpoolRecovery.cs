using System.Globalization;
using FedCore.Aggregator.Storage;
using Microsoft.Win32.SafeHandles;

namespace FedCore.Aggregator.Spooling;

/// <summary>Finds the updates that earlier processes kept for a run.</summary>
/// <param name="run">The run, to which nothing has been appended yet.</param>
/// <param name="disk">Makes durable what is cut off.</param>
/// <param name="report">Hears of damage.</param>
internal sealed class SpoolRecovery(SpoolRun run, Disk disk, Action<SpoolDamage>? report)
{
    // Added to the name of a segment that is not all that was written. It goes when its sound records have been released; one without any stays for a person to see.
    private const string Damaged = ".damaged";

    /// <summary>Reads all segments, cuts off what the last one was given when the process ended, and sets damaged ones aside.</summary>
    /// <returns>The sound updates, in the order in which they came.</returns>
    public List<SpooledUpdate> Recover()
    {
        (long Number, string Path)[] files =
        [
            .. Directory.EnumerateFiles(run.Folder).Select(path => (Number: NumberOf(path), Path: path)).Where(file => file.Number > 0).OrderBy(file => file.Number),
        ];
        byte[] buffer = new byte[1 << 18];
        (string Path, SegmentScan Scan)[] scans = [.. files.Select(file => (file.Path, Scan(file.Path, buffer)))];
        foreach ((long number, _) in files) run.Skip(number);

        // Only the last segment that records were appended to can have been torn: the next one was begun when it was complete.
        SegmentScan? last = scans.LastOrDefault(file => file.Scan.Kind == SegmentKind.Shared).Scan;
        var updates = new List<SpooledUpdate>();
        foreach ((string path, SegmentScan scan) in scans) Take(path, scan, scan == last, updates);
        return updates;
    }

    private static SegmentScan Scan(string path, byte[] buffer)
    {
        using SafeFileHandle file = File.OpenHandle(path, FileMode.Open, FileAccess.Read, Disk.Sharing);
        return SegmentScan.Of(file, buffer);
    }

    private void Take(string path, SegmentScan scan, bool isLast, List<SpooledUpdate> updates)
    {
        long length = scan.Length;
        List<(long Offset, long Length)> damage = scan.Damage;
        if (isLast && damage.Count > 0 && damage[^1].Offset == scan.SoundEnd)
        {
            report?.Invoke(new SpoolDamage(path, scan.SoundEnd, length - scan.SoundEnd, IsTail: true));
            Cut(path, scan.SoundEnd);
            length = scan.SoundEnd;
            damage = damage[..^1];
        }

        if (damage.Count > 0 && !path.EndsWith(Damaged, StringComparison.Ordinal))
        {
            File.Move(path, path + Damaged);
            path += Damaged;
        }

        foreach ((long offset, long count) in damage) report?.Invoke(new SpoolDamage(path, offset, count, IsTail: false));
        if (scan.Records.Count == 0 && damage.Count == 0)
        {
            SpoolRun.Delete(path);
            return;
        }

        run.Count(length);
        var segment = new Segment(run, path, length, scan.Records.Count);
        foreach ((long offset, byte[] head) in scan.Records) updates.Add(new SpooledUpdate(segment, offset, head));
    }

    private void Cut(string path, long length)
    {
        using SafeFileHandle file = File.OpenHandle(path, FileMode.Open, FileAccess.ReadWrite, Disk.Sharing);
        RandomAccess.SetLength(file, length);
        disk.Sync(file);
    }

    private static long NumberOf(string path)
    {
        string name = Path.GetFileName(path);
        if (name.EndsWith(Damaged, StringComparison.Ordinal)) name = name[..^Damaged.Length];
        if (!name.EndsWith(SpoolRun.Extension, StringComparison.Ordinal)) return 0;
        return long.TryParse(name[..^SpoolRun.Extension.Length], NumberStyles.None, CultureInfo.InvariantCulture, out long number) ? number : 0;
    }
}
