using System.ComponentModel.DataAnnotations;
using FedCore.Models;
using FedCore.Rounds;

namespace FedCore.Training.Data.Idx;

/// <summary>Images and class numbers in IDX files, compressed or not, such as MNIST's. Bytes become floats from 0 to 1.</summary>
public sealed class IdxSource : IDataSource
{
    /// <summary>A public data set that the files belong to, such as <c>mnist</c>; null for files of one's own.</summary>
    public string? Dataset { get; init; }

    /// <summary>The training images.</summary>
    [StringLength(4096, MinimumLength = 1)]
    public string Images { get; init; } = "train-images-idx3-ubyte.gz";

    /// <summary>The training labels.</summary>
    [StringLength(4096, MinimumLength = 1)]
    public string Labels { get; init; } = "train-labels-idx1-ubyte.gz";

    /// <summary>The test images; null where there are none.</summary>
    public string? TestImages { get; init; } = "t10k-images-idx3-ubyte.gz";

    /// <summary>The test labels; null where there are none.</summary>
    public string? TestLabels { get; init; } = "t10k-labels-idx1-ubyte.gz";

    /// <inheritdoc/>
    public ValueTask<DataPool> LoadAsync(DataRequest request, CancellationToken ct)
    {
        ArgumentNullException.ThrowIfNull(request);
        CheckKeys(request.Key);
        ExampleSet train = Load(request, Images, Labels, "images", "labels");
        ct.ThrowIfCancellationRequested();
        ExampleSet? test = TestImages is null ? null : Load(request, TestImages, TestLabels!, "testImages", "testLabels");
        return new ValueTask<DataPool>(new DataPool(train, test));
    }

    /// <inheritdoc/>
    public ValueTask CheckAsync(DataFolders folders, CancellationToken ct)
    {
        ArgumentNullException.ThrowIfNull(folders);
        CheckKeys(folders.Key);
        Check(Images, Labels, "images", "labels");
        if (TestImages is not null) Check(TestImages, TestLabels!, "testImages", "testLabels");
        return ValueTask.CompletedTask;

        void Check(string images, string labels, string imagesKey, string labelsKey)
        {
            string imagesPath = folders.Find(images, Dataset, imagesKey), labelsPath = folders.Find(labels, Dataset, labelsKey);
            CheckExtents(imagesPath, IdxFile.ReadExtents(imagesPath), labelsPath, IdxFile.ReadExtents(labelsPath));
        }
    }

    private void CheckKeys(string key)
    {
        if (TestImages is null != TestLabels is null)
            throw FedCoreException.Configuration("data.source", $"{key}: testImages and testLabels belong together. Give both, or set both to null.");
    }

    private static void CheckExtents(string imagesPath, int[] images, string labelsPath, int[] labels)
    {
        if (labels.Length != 1)
            throw Fault(labelsPath, $"labels have one dimension, this has {labels.Length}. Are images and labels swapped?");
        if (images.Length < 2)
            throw Fault(imagesPath, "images have at least two dimensions, this has one. Are images and labels swapped?");
        if (images[0] != labels[0])
            throw Fault(imagesPath, $"there are {images[0]} images, but {labels[0]} labels in {labelsPath}. They do not belong together: name the two files of one set");
        if (images[0] == 0) throw Fault(imagesPath, "there are no images in it. Name another file, or fetch it again");
        if (images.Contains(0))
            throw Fault(imagesPath, $"its images are {string.Join(" x ", images[1..])}: an image has at least one pixel. Fetch or copy it again");
    }

    private ExampleSet Load(DataRequest request, string images, string labels, string imagesKey, string labelsKey)
    {
        string imagesPath = request.Folders.Find(images, Dataset, imagesKey);
        string labelsPath = request.Folders.Find(labels, Dataset, labelsKey);
        IdxFile features = IdxFile.Read(imagesPath), classes = IdxFile.Read(labelsPath);
        CheckExtents(imagesPath, features.Extents, labelsPath, classes.Extents);
        int count = features.Extents[0];
        RunPlan run = request.Run;
        Shape shape = run.Model.Input;
        if (features.Count / count != shape.ElementCount)
        {
            throw Fault(imagesPath, $"an image is {string.Join(" x ", features.Extents[1..])}, but model.input is {shape}. "
                + $"Set model.input to [{string.Join(", ", features.Extents[1..])}{(features.Extents.Length == 3 ? ", 1" : "")}]");
        }

        if (run.Model.Label.Width != 1)
            throw Fault(labelsPath, $"a label is one number, but the model's output has {run.Model.Label.Width}. Use softmaxCrossEntropy, or give the last layer one output");
        float[] numbers = classes.Numbers ?? Array.ConvertAll(classes.Bytes!, value => (float)value);
        for (int i = 0; i < numbers.Length; i++)
        {
            if (run.Model.Label.Classes > 0 && (numbers[i] < 0 || numbers[i] >= run.Model.Label.Classes || numbers[i] != MathF.Floor(numbers[i])))
            {
                throw Fault(labelsPath, $"label {i} is {numbers[i]}, but the model tells the classes 0 to {run.Model.Label.Classes - 1} apart. "
                    + "Change the last layer's outputs");
            }
        }

        return features.Bytes is { } pixels ? new ByteImages(shape, pixels, numbers) : new InMemoryExamples(shape, features.Numbers!, numbers);
    }

    private static FedCoreException Fault(string path, string what) => FedCoreException.Configuration("data.idx", $"{path}: {what}{(what.EndsWith('?') ? "" : ".")}");
}
