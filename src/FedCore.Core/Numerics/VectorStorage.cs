namespace FedCore.Numerics;

/// <summary>
/// Where vectors lie: in memory, or from a size on in temporary files that are mapped, so that models may be larger than memory. The files have no name, are nobody else's to
/// read and go with their vectors, however the process ends; where names cannot be taken away (Windows), they go when the process does.
/// </summary>
/// <remarks>The values are the same to the last bit. A vector's room on the disk is reserved when it is made: a disk that is full is a fault then and not later.</remarks>
public sealed class VectorStorage
{
    /// <summary>From how many bytes on vectors are mapped where nothing else is said: 64 MiB.</summary>
    public const long DefaultThresholdBytes = 64L << 20;

    private VectorStorage() => ThresholdBytes = long.MaxValue;

    /// <summary>Memory for small vectors and files for large ones.</summary>
    /// <param name="folder">Where the files are, on a disk (a folder that itself lies in memory, as <c>/tmp</c> may, saves nothing). It must exist when a vector is made.</param>
    /// <param name="thresholdBytes">From how many bytes on a vector is mapped, 0 or more.</param>
    public VectorStorage(string folder, long thresholdBytes = DefaultThresholdBytes)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(folder);
        ArgumentOutOfRangeException.ThrowIfNegative(thresholdBytes);
        Folder = Path.GetFullPath(folder);
        ThresholdBytes = thresholdBytes;
    }

    /// <summary>Memory for all of them.</summary>
    public static VectorStorage Memory { get; } = new();

    /// <summary>Where the files are; null where there are none.</summary>
    public string? Folder { get; }

    /// <summary>From how many bytes on a vector is mapped.</summary>
    public long ThresholdBytes { get; }

    /// <summary>Makes a vector of zeros where the policy wants it.</summary>
    /// <param name="length">Number of elements, 0 or more.</param>
    /// <returns>The vector.</returns>
    /// <exception cref="FedCoreException">The folder has no room for it (<c>storage.full</c>), or no file can be made there (<c>storage.folder</c>).</exception>
    public FlatVector Allocate(long length) => Maps(length) ? new FlatVector(length, Folder!) : new FlatVector(length);

    /// <summary>Whether a vector of a length is mapped; an empty one never is.</summary>
    internal bool Maps(long length) => Folder is not null && length > (ThresholdBytes - 1) / sizeof(float);
}
