using FedCore.Training.Data.Datasets;
using FedCore.Training.Data.Idx;

namespace FedCore.Benchmarks.Suites;

/// <summary>The training images of MNIST.</summary>
internal sealed class MnistImages
{
    private readonly byte[] _images, _labels;

    private MnistImages(string images, string labels)
    {
        Paths = [images, labels];
        _images = Bytes(images);
        _labels = Bytes(labels);
    }

    /// <summary>The files of the images and of the labels.</summary>
    public IReadOnlyList<string> Paths { get; }

    /// <summary>Looks in the user's data folder, and for <c>../shared/data</c> beside the repository; null where neither has it.</summary>
    public static MnistImages? Find()
    {
        DatasetInfo mnist = DatasetCatalog.Find("mnist");
        string? repository = AppContext.BaseDirectory;
        while (repository is not null && !File.Exists(Path.Combine(repository, "FedCore.sln"))) repository = Path.GetDirectoryName(repository);
        string? folder = new DatasetStore().Locate(mnist);
        if (folder is null && repository is not null) folder = new DatasetStore(Path.Combine(repository, "..", "shared", "data")).Locate(mnist);
        if (folder is null) return null;
        string FileOf(string part) => Path.Combine(folder, mnist.Files.Single(file => file.Name.StartsWith(part, StringComparison.Ordinal)).Name);
        return new MnistImages(FileOf("train-images"), FileOf("train-labels"));
    }

    private static byte[] Bytes(string path) => IdxFile.Read(path).Bytes is { Length: >= 60_000 } bytes
        ? bytes
        : throw FedCoreException.Configuration("data.idx", $"{path}: it is not of MNIST, which has 60,000 images in bytes. Get it with: fedcore data get mnist");

    /// <summary>Writes the first images, in [0, 1], and their labels.</summary>
    public void CopyTo(Span<float> pixels, Span<float> labels)
    {
        for (int i = 0; i < pixels.Length; i++) pixels[i] = _images[i] / 255f;
        for (int i = 0; i < labels.Length; i++) labels[i] = _labels[i];
    }
}
