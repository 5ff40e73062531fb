using System.IO.MemoryMappedFiles;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace FedCore.Numerics;

/// <summary>A temporary file of zeros, mapped into memory. Nothing of it is written to the disk but what the system has no memory for or finds time to write.</summary>
internal sealed partial class MappedFile : IDisposable
{
    // Linux's numbers, of all processors that .NET runs on.
    private const int Interrupted = 4, TooLarge = 27, NoSpace = 28, NotSupported = 95, OverQuota = 122;

    private readonly SafeMemoryMappedViewHandle _view;

    // Windows lets a file that is mapped lose its name only with its last handle.
    private readonly FileStream? _file;

    /// <param name="folder">Where the file is.</param>
    /// <param name="bytes">Its size, above 0.</param>
    /// <exception cref="FedCoreException">There is no room (<c>storage.full</c>), or no file can be made (<c>storage.folder</c>).</exception>
    public MappedFile(string folder, long bytes)
    {
        Folder = folder;
        FileStream? file = null;
        try
        {
            file = Create(folder, bytes);
            Reserve(file.SafeFileHandle, folder, bytes);
            using var mapping = MemoryMappedFile.CreateFromFile(file, null, bytes, MemoryMappedFileAccess.ReadWrite, HandleInheritability.None, leaveOpen: true);

            // The accessor is left to itself, since it would write everything to the disk when it is disposed of; it has no finalizer.
            _view = mapping.CreateViewAccessor(0, bytes, MemoryMappedFileAccess.ReadWrite).SafeMemoryMappedViewHandle;
            if (OperatingSystem.IsWindows()) _file = file;
            else file.Dispose();
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            file?.Dispose();
            throw file is not null && !OperatingSystem.IsLinux() ? Full(folder, bytes, fault) : FedCoreException.Configuration(
                "storage.folder", $"No temporary file for a vector of {InMegabytes(bytes)} can be made in the folder {Shown.Of(folder, 400)} ({fault.Message.TrimEnd('.')}). "
                + "Name a folder that exists and may be written to.", fault);
        }
        catch
        {
            file?.Dispose();
            throw;
        }
    }

    public string Folder { get; }

    /// <summary>The first byte's address, at the beginning of a page.</summary>
    public nint Address => _view.DangerousGetHandle();

    public void Dispose()
    {
        _view.Dispose();
        _file?.Dispose();
    }

    private static FileStream Create(string folder, long bytes)
    {
        string path = Path.Combine(folder, "fedcore-" + Path.GetRandomFileName());
        var options = new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.ReadWrite, Share = FileShare.Delete, BufferSize = 0 };
        if (OperatingSystem.IsWindows()) options.Options = FileOptions.DeleteOnClose;
        else options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
        if (!OperatingSystem.IsLinux()) options.PreallocationSize = bytes;
        var file = new FileStream(path, options);
        if (!OperatingSystem.IsWindows()) File.Delete(path);
        return file;
    }

    /// <summary>Takes room on the disk. Without it a page would be lost when the system cannot write it, and the process with it (SIGBUS).</summary>
    internal static void Reserve(SafeFileHandle file, string folder, long bytes)
    {
        if (!OperatingSystem.IsLinux()) return;

        // Some file systems fill the disk before they find that it is too small.
        if (new DriveInfo(folder).AvailableFreeSpace < bytes) throw Full(folder, bytes, null);
        int fault;
        do fault = Environment.Is64BitProcess ? PosixFallocate(file, 0, bytes) : NotSupported;
        while (fault == Interrupted);
        if (fault is NoSpace or OverQuota or TooLarge) throw Full(folder, bytes, null);
        if (fault != 0) FillWithZeros(file, folder, bytes);
    }

    /// <summary>Takes room where the file system does not reserve any.</summary>
    internal static void FillWithZeros(SafeFileHandle file, string folder, long bytes)
    {
        byte[] zeros = new byte[1 << 20];
        try
        {
            for (long offset = 0; offset < bytes; offset += zeros.Length) RandomAccess.Write(file, zeros.AsSpan(0, (int)Math.Min(zeros.Length, bytes - offset)), offset);
        }
        catch (IOException fault)
        {
            throw Full(folder, bytes, fault);
        }
    }

    private static FedCoreException Full(string folder, long bytes, Exception? cause) => FedCoreException.Configuration(
        "storage.full", $"The folder {Shown.Of(folder, 400)} has no room for a temporary file of {InMegabytes(bytes)}, in which a large vector is to lie. "
        + "Free space on its disk, or name a folder on a larger one.", cause);

    private static string InMegabytes(long bytes) => string.Create(System.Globalization.CultureInfo.InvariantCulture, $"{(bytes + 999_999) / 1_000_000} MB");

    [LibraryImport("libc", EntryPoint = "posix_fallocate")]
    private static partial int PosixFallocate(SafeFileHandle file, long offset, long length);
}
