using System.Diagnostics;
using System.Globalization;
using System.Runtime.CompilerServices;
using FedCore.Numerics;
using FedCore.Tests;
using Microsoft.Win32.SafeHandles;

namespace FedCore.Core.Tests.Numerics;

/// <summary>Vectors in files keep what vectors in memory promise, and their files are nobody's burden.</summary>
public sealed class VectorStorageTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData(400, 99, false)]
    [InlineData(400, 100, true)]
    [InlineData(399, 100, true)]
    [InlineData(401, 100, false)]
    [InlineData(0, 1, true)]
    [InlineData(0, 0, false)]
    [InlineData(long.MaxValue, 1, false)]
    public void A_vector_of_the_threshold_and_above_is_mapped_unless_it_is_empty(long threshold, long length, bool mapped)
    {
        using FlatVector vector = new VectorStorage(_folder.Path, threshold).Allocate(length);
        Assert.Equal(mapped, vector.IsMapped);
        Assert.Equal(length, vector.Length);
    }

    [Fact]
    public void Where_no_folder_is_given_nothing_is_mapped()
    {
        using FlatVector vector = VectorStorage.Memory.Allocate(1 << 20);
        Assert.False(vector.IsMapped);
    }

    // 1,008 elements and the 64 bytes behind them are a page to the byte, and one more is a page and a bit.
    [Theory]
    [InlineData(1)]
    [InlineData(1008)]
    [InlineData(1009)]
    [InlineData(1_000_003)]
    public unsafe void A_mapped_vector_is_aligned_and_zero_up_to_64_bytes_behind_its_end(int length)
    {
        using FlatVector vector = New(length);
        Assert.Equal(0, (long)vector.Pointer % 64);
        Assert.False(new ReadOnlySpan<float>(vector.Pointer, length + 16).ContainsAnyExcept(0f));
    }

    [Fact]
    public void Views_copies_and_clones_of_a_mapped_vector_are_as_in_memory()
    {
        using FlatVector vector = New(10_000), other = New(10_000);
        vector.Slice(9000, 3)[1] = 7;
        other.CopyFrom(vector);
        using FlatVector clone = vector.Clone();
        vector.Clear();
        Assert.Equal((0, 7, 7, true), (vector.Slice(9001, 1)[0], other.Slice(9001, 1)[0], clone.Slice(9001, 1)[0], clone.IsMapped));
        Assert.Throws<ArgumentOutOfRangeException>(() => _ = vector.Slice(9_999, 2).Length);
    }

    [Fact]
    public void The_file_has_no_name()
    {
        using FlatVector vector = New(1000);
        Assert.SkipWhen(OperatingSystem.IsWindows(), "Windows keeps the name as long as the file is mapped.");
        Assert.Empty(Directory.EnumerateFileSystemEntries(_folder.Path));
    }

    [Fact]
    public void The_file_is_gone_with_the_vector()
    {
        FlatVector vector = New(1000);
        Assert.Single(Mappings.Of(_folder.Path));
        vector.Dispose();
        vector.Dispose();
        Assert.Empty(Mappings.Of(_folder.Path));
        Assert.Throws<ObjectDisposedException>(() => _ = vector.Slice(0, 1).Length);
    }

    [Fact]
    public void The_file_of_a_forgotten_vector_is_gone_with_the_garbage()
    {
        Forget();
        GC.Collect();
        GC.WaitForPendingFinalizers();
        Assert.Empty(Mappings.Of(_folder.Path));

        [MethodImpl(MethodImplOptions.NoInlining)]
        void Forget()
        {
            Assert.True(New(1000).IsMapped);
            Assert.Single(Mappings.Of(_folder.Path));
        }
    }

    [Fact]
    public void No_descriptor_is_held_for_a_mapping()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "/proc/self/fd is Linux's.");
        using FlatVector vector = New(1000);
        Assert.DoesNotContain(Directory.EnumerateFiles("/proc/self/fd").Select(TargetOf), target => target.Contains(_folder.Path, StringComparison.Ordinal));

        // Other tests close what was listed.
        static string TargetOf(string descriptor)
        {
            try
            {
                return File.ResolveLinkTarget(descriptor, returnFinalTarget: false)?.FullName ?? "";
            }
            catch (IOException)
            {
                return "";
            }
        }
    }

    [Fact]
    public void A_folder_that_is_not_there_is_named()
    {
        var fault = Assert.Throws<FedCoreException>(() => new VectorStorage(_folder["none"], 1).Allocate(10));
        Assert.Equal("storage.folder", fault.Code);
        Assert.Contains(_folder["none"], fault.Message, StringComparison.Ordinal);
    }

    // What the disk has no room for is a fault when the vector is made, not the end of the process when it is written.
    [Fact]
    public void A_vector_that_is_larger_than_the_disk_is_refused_when_it_is_made_and_leaves_nothing()
    {
        long free = new DriveInfo(_folder.Path).AvailableFreeSpace;
        var fault = Assert.Throws<FedCoreException>(() => New(free / sizeof(float) + (1L << 38)));
        Assert.Equal("storage.full", fault.Code);
        Assert.Contains(_folder.Path, fault.Message, StringComparison.Ordinal);
        Assert.Empty(Mappings.Of(_folder.Path));
        Assert.Empty(Directory.EnumerateFileSystemEntries(_folder.Path));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task The_room_of_a_file_is_its_own_before_anything_is_written(bool fileSystemReservesNothing)
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "Elsewhere the runtime reserves it.");
        const long Bytes = 5_000_001;
        using (SafeFileHandle file = File.OpenHandle(_folder["file"], FileMode.CreateNew, FileAccess.ReadWrite))
        {
            if (fileSystemReservesNothing) MappedFile.FillWithZeros(file, _folder.Path, Bytes);
            else MappedFile.Reserve(file, _folder.Path, Bytes);
            RandomAccess.FlushToDisk(file);
        }

        using Process stat = Process.Start(new ProcessStartInfo("stat", ["-c", "%s %b %B", _folder["file"]]) { RedirectStandardOutput = true })!;
        string said = await stat.StandardOutput.ReadToEndAsync(TestContext.Current.CancellationToken);
        long[] numbers = [.. said.Split(' ').Select(number => long.Parse(number, CultureInfo.InvariantCulture))];
        Assert.Equal(Bytes, numbers[0]);
        Assert.True(numbers[1] * numbers[2] >= Bytes, $"{numbers[1]} blocks of {numbers[2]} bytes");
    }

    [Fact]
    public void A_pool_rents_by_its_storage_and_hands_mapped_vectors_out_again()
    {
        using var pool = new FlatVectorPool(new VectorStorage(_folder.Path, 4000));
        FlatVector small = pool.Rent(999), large = pool.Rent(1000);
        Assert.Equal((false, true), (small.IsMapped, large.IsMapped));
        pool.Return(large);
        Assert.Same(large, pool.Rent(1000));
        small.Dispose();
        large.Dispose();
    }

    [Fact]
    public void A_pool_keeps_few_mapped_vectors_for_reuse_and_none_when_it_is_disposed_of()
    {
        var pool = new FlatVectorPool(new VectorStorage(_folder.Path, 4000));
        FlatVector[] rented = [.. Enumerable.Range(0, 10).Select(_ => pool.Rent(1000))];
        Assert.Equal(10, Mappings.Of(_folder.Path).Length);
        foreach (FlatVector vector in rented) pool.Return(vector);
        Assert.Equal(4, Mappings.Of(_folder.Path).Length);
        pool.Dispose();
        Assert.Empty(Mappings.Of(_folder.Path));
    }

    private FlatVector New(long length) => new VectorStorage(_folder.Path, 0).Allocate(length);
}
