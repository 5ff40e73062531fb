using FedCore.Models;
using FedCore.Models.Layers;
using FedCore.Models.Losses;
using FedCore.Rounds;
using FedCore.Tests;
using FedCore.Training.Data;
using FedCore.Training.Data.Idx;

namespace FedCore.Training.Tests.Data.Idx;

public sealed class IdxSourceTests : IDisposable
{
    private static readonly IdxSource Source = Files(null, null);
    private static readonly RunPlan Plan = Plans.Of(new ModelSpec
    {
        Input = [2, 2, 1],
        Layers = [new FlattenSpec(), new LinearSpec { Outputs = 3 }],
        Loss = new SoftmaxCrossEntropySpec(),
    });

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task Bytes_become_floats_from_0_to_1_and_other_numbers_stay()
    {
        Write(IdxBytes.Bytes([2, 2, 2], 0, 51, 255, 1, 2, 3, 4, 5), IdxBytes.Bytes([2], 2, 0));
        float[] pixels = new float[4];
        DataPool pool = await LoadAsync(Source);
        pool.Train.CopyFeatures([0], pixels);
        Assert.Equal([0, 51 * (1 / 255f), 1, 1 / 255f], pixels);
        Assert.Equal(2, pool.Train.Label(0)[0]);
        Assert.Null(pool.Test);

        Write(IdxBytes.Floats([1, 2, 2], -1, 0.5f, 300, 4), IdxBytes.Integers([1], 1));
        (await LoadAsync(Source)).Train.CopyFeatures([0], pixels);
        Assert.Equal([-1, 0.5f, 300, 4], pixels);
    }

    [Fact]
    public async Task A_compressed_file_stands_in_for_a_plain_one_and_test_files_are_read()
    {
        _folder.File("images.gz", Folders.Compress(IdxBytes.Bytes([1, 2, 2], 1, 2, 3, 4)));
        _folder.File("labels", IdxBytes.Bytes([1], 1));
        DataPool pool = await LoadAsync(Files("images", "labels"));
        Assert.Equal(1, pool.Train.Count);
        Assert.Equal(1, pool.Test!.Count);
    }

    [Fact]
    public async Task Another_number_of_labels_than_images_is_refused() =>
        await RefusesAsync(IdxBytes.Bytes([2, 2, 2], new byte[8]), IdxBytes.Bytes([3], 0, 1, 2), "images", "labels", "2 images", "3 labels");

    [Fact]
    public async Task Another_size_than_the_models_input_is_refused_with_the_right_one() =>
        await RefusesAsync(IdxBytes.Bytes([1, 3, 2], new byte[6]), IdxBytes.Bytes([1], 0), "images", "3 x 2", "[2, 2, 1]", "[3, 2, 1]");

    [Fact]
    public async Task A_label_beyond_the_models_classes_is_refused() =>
        await RefusesAsync(IdxBytes.Bytes([2, 2, 2], new byte[8]), IdxBytes.Bytes([2], 0, 3), "labels", "label 1 is 3", "0 to 2");

    [Fact]
    public async Task A_label_that_is_negative_or_no_whole_number_is_refused()
    {
        await RefusesAsync(IdxBytes.Bytes([1, 2, 2], new byte[4]), IdxBytes.Integers([1], -1), "labels", "label 0 is -1", "0 to 2");
        await RefusesAsync(IdxBytes.Bytes([1, 2, 2], new byte[4]), IdxBytes.Floats([1], 1.5f), "labels", "label 0 is 1.5", "0 to 2");
    }

    [Fact]
    public async Task Swapped_files_are_recognised()
    {
        await RefusesAsync(IdxBytes.Bytes([2], 0, 1), IdxBytes.Bytes([2], 0, 1), "images", "swapped?");
        await RefusesAsync(IdxBytes.Bytes([1, 2, 2], new byte[4]), IdxBytes.Bytes([1, 2, 2], new byte[4]), "labels", "swapped?");
    }

    [Fact]
    public async Task Files_without_images_are_refused()
    {
        await RefusesAsync(IdxBytes.Bytes([0, 2, 2]), IdxBytes.Bytes([0]), "images", "no images");
        await RefusesAsync(IdxBytes.Bytes([2, 0, 2]), IdxBytes.Bytes([2], 0, 1), "images", "0 x 2", "at least one pixel");
    }

    [Theory]
    [InlineData("", "labels", "simulation.data.testImages")]
    [InlineData("images", "a\0b", "simulation.data.testLabels")]
    public async Task What_is_no_name_of_a_file_is_refused_with_its_key(string testImages, string testLabels, string key)
    {
        Write(IdxBytes.Bytes([1, 2, 2], new byte[4]), IdxBytes.Bytes([1], 0));
        Faults.Assert(await Assert.ThrowsAsync<FedCoreException>(() => LoadAsync(Files(testImages, testLabels))), "data.not-found", key, "not the name of a file");
    }

    [Fact]
    public async Task An_unknown_data_set_is_refused_with_the_known_ones()
    {
        var fault = await Assert.ThrowsAsync<FedCoreException>(() => LoadAsync(Files(null, null, "mnst")));
        Faults.Assert(fault, "data.unknown", "simulation.data.dataset", "'mnst'", "fashion-mnist, heart-disease, mnist");
    }

    [Fact]
    public async Task One_of_two_test_files_is_refused()
    {
        var fault = await Assert.ThrowsAsync<FedCoreException>(() => LoadAsync(Files("images", null)));
        Faults.Assert(fault, "data.source", "testImages", "testLabels");
    }

    [Fact]
    public async Task An_absent_file_is_refused_with_the_places_where_it_was_looked_for()
    {
        var fault = await Assert.ThrowsAsync<FedCoreException>(() => LoadAsync(Source));
        Faults.Assert(fault, "data.not-found", "simulation.data.images", "'images'", _folder["images"], "--data");
        fault = await Assert.ThrowsAsync<FedCoreException>(() => LoadAsync(Files(null, null, "mnist")));
        Faults.Assert(fault, "data.not-found", "'images'", Path.Combine(_folder["datasets"], "mnist", "images"), "fedcore data get mnist");
    }

    // A label in an IDX file is one number, whatever the loss.
    [Fact]
    public async Task A_model_with_several_real_outputs_is_refused()
    {
        RunPlan plan = Plans.Of(new ModelSpec { Input = [4], Layers = [new LinearSpec { Outputs = 3 }], Loss = new MeanSquaredErrorSpec() });
        Write(IdxBytes.Bytes([1, 2, 2], new byte[4]), IdxBytes.Bytes([1], 0));
        var fault = await Assert.ThrowsAsync<FedCoreException>(() => Source.LoadAsync(_folder.Request(plan), TestContext.Current.CancellationToken).AsTask());
        Faults.Assert(fault, "data.idx", "labels", "3");
    }

    private static IdxSource Files(string? testImages, string? testLabels, string? dataset = null) =>
        new() { Images = "images", Labels = "labels", TestImages = testImages, TestLabels = testLabels, Dataset = dataset };

    private void Write(byte[] images, byte[] labels)
    {
        _folder.File("images", images);
        _folder.File("labels", labels);
    }

    private async Task RefusesAsync(byte[] images, byte[] labels, string file, params string[] names)
    {
        Write(images, labels);
        var fault = await Assert.ThrowsAsync<FedCoreException>(() => LoadAsync(Source));
        Faults.Assert(fault, "data.idx", [_folder[file] + ":", .. names]);
        Assert.DoesNotContain("?.", fault.Message, StringComparison.Ordinal);
    }

    private Task<DataPool> LoadAsync(IdxSource source) => source.LoadAsync(_folder.Request(Plan), TestContext.Current.CancellationToken).AsTask();
}
