using FedCore.Tests;
using FedCore.Training.Data.Idx;

namespace FedCore.Training.Tests.Data.Idx;

public sealed class IdxFileTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Files_of_each_type_are_read_compressed_or_not(bool compressed)
    {
        IdxFile bytes = Read(IdxBytes.Bytes([2, 3], 0, 1, 127, 128, 254, 255), compressed);
        Assert.Equal([2, 3], bytes.Extents);
        Assert.Equal([0, 1, 127, 128, 254, 255], bytes.Bytes!);
        Assert.Null(bytes.Numbers);
        Assert.Equal([-128f, 127], Read(IdxBytes.Of(0x09, [2], [0x80, 0x7F]), compressed).Numbers!);
        Assert.Equal([short.MinValue, 258f], Read(IdxBytes.Shorts([2], short.MinValue, 258), compressed).Numbers!);
        Assert.Equal([-70_000f, 16_909_060], Read(IdxBytes.Integers([1, 2], -70_000, 16_909_060), compressed).Numbers!);
        Assert.Equal([-0.5f, 1e30f, 3], Read(IdxBytes.Floats([3, 1], -0.5f, 1e30f, 3), compressed).Numbers!);
        Assert.Equal([0.1f], Read(IdxBytes.Doubles([1], 0.1), compressed).Numbers!);
    }

    [Theory]
    [InlineData(new byte[] { }, "shorter than its first four bytes")]
    [InlineData(new byte[] { 0, 0, 8 }, "shorter than its first four bytes")]
    [InlineData(new byte[] { 1, 0, 8, 1, 0, 0, 0, 0 }, "01000801", "fetch it again")]
    [InlineData(new byte[] { 0, 0, 7, 1, 0, 0, 0, 0 }, "00000701")]
    [InlineData(new byte[] { 0, 0, 8, 0, 0, 0, 0, 0 }, "00000800")]
    [InlineData(new byte[] { 0, 0, 8, 5, 0, 0, 0, 0 }, "00000805")]
    [InlineData(new byte[] { 0, 0, 8, 2, 0, 0, 0, 1, 0, 0 }, "ends within its header")]
    [InlineData(new byte[] { 0, 0, 8, 1, 0xFF, 0xFF, 0xFF, 0xFE }, "extent 0 is -2")]
    [InlineData(new byte[] { 0, 0, 8, 1, 0, 0, 0, 3, 1, 2 }, "2 of 3 bytes")]
    [InlineData(new byte[] { 0, 0, 8, 1, 0, 0, 0, 1, 1, 2 }, "bytes behind the 1", "Fetch or copy it again")]
    [InlineData(new byte[] { 0x50, 0x4B, 3, 4, 0, 0, 0, 0 }, "504B0304")]
    public void What_is_no_whole_IDX_file_is_refused(byte[] content, params string[] what)
    {
        string path = _folder.File("file", content);
        Faults.Assert(Assert.Throws<FedCoreException>(() => IdxFile.Read(path)), "data.idx", [path, .. what]);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    [InlineData(100_000)]
    public void Bytes_behind_the_compression_are_refused(int count)
    {
        string path = _folder.File("file.gz", [.. Folders.Compress(IdxBytes.Bytes([5000], new byte[5000])), .. Enumerable.Repeat((byte)7, count)]);
        Faults.Assert(Assert.Throws<FedCoreException>(() => IdxFile.Read(path)), "data.idx", path, "behind the end of its gzip compression", "again");
    }

    [Fact]
    public void A_file_compressed_in_several_parts_is_read()
    {
        byte[] content = IdxBytes.Bytes([5000], [.. Enumerable.Range(0, 5000).Select(i => (byte)i)]);
        IdxFile file = IdxFile.Read(_folder.File("file.gz", [.. Folders.Compress(content[..1000]), .. Folders.Compress(content[1000..])]));
        Assert.Equal(content[8..], file.Bytes!);
    }

    [Fact]
    public void Damaged_compression_is_refused()
    {
        byte[] compressed = Folders.Compress(IdxBytes.Bytes([4000], new byte[4000]));
        string cut = _folder.File("cut.gz", compressed[..(compressed.Length / 2)]), garbled = _folder.File("garbled.gz", [0x1F, 0x8B, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9]);
        Faults.Assert(Assert.Throws<FedCoreException>(() => IdxFile.Read(cut)), "data.idx", cut);
        Faults.Assert(Assert.Throws<FedCoreException>(() => IdxFile.Read(garbled)), "data.idx", garbled, "gzip", "again");
    }

    // The header may say what it will: memory grows with what is really there.
    [Theory]
    [InlineData(new[] { 2_000_000_000 })]
    [InlineData(new[] { 60_000, 28, 28, 28 })]
    public void A_tiny_file_that_declares_gigabytes_allocates_little(int[] extents)
    {
        byte[] content = IdxBytes.Bytes(extents, 1, 2, 3);
        long before = GC.GetAllocatedBytesForCurrentThread();
        var fault = Assert.Throws<FedCoreException>(() => IdxFile.Parse(new MemoryStream(content), "file"));
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 1 << 20);
        Faults.Assert(fault, "data.idx", "file", "truncated", "3 of");
    }

    [Theory]
    [InlineData(new[] { int.MaxValue, int.MaxValue, int.MaxValue, int.MaxValue }, "2147483647 x 2147483647 x 2147483647 x 2147483647")]
    [InlineData(new[] { 1 << 16, 1 << 15 }, "65536 x 32768")]
    public void More_than_2_GiB_are_refused_before_reading(int[] extents, string what) =>
        Faults.Assert(Assert.Throws<FedCoreException>(() => IdxFile.Parse(new MemoryStream(IdxBytes.Bytes(extents)), "file")), "data.idx", "file", what, "2 GiB");

    [Theory]
    [InlineData(float.NaN, "NaN")]
    [InlineData(float.PositiveInfinity, "Infinity")]
    [InlineData(float.NegativeInfinity, "-Infinity")]
    public void Numbers_that_are_not_finite_are_refused(float value, string text)
    {
        byte[] content = IdxBytes.Floats([3], 1, 2, value);
        Faults.Assert(Assert.Throws<FedCoreException>(() => IdxFile.Parse(new MemoryStream(content), "file")), "data.idx", "file", "element 2", text);
    }

    [Fact]
    public void A_double_beyond_a_float_is_refused() => Faults.Assert(
        Assert.Throws<FedCoreException>(() => IdxFile.Parse(new MemoryStream(IdxBytes.Doubles([1], 1e300)), "file")), "data.idx", "file", "element 0");

    [Fact]
    public void An_absent_file_is_refused_by_name() =>
        Faults.Assert(Assert.Throws<FedCoreException>(() => IdxFile.Read(_folder["absent"])), "data.idx", _folder["absent"]);

    private IdxFile Read(byte[] content, bool compressed) => IdxFile.Read(_folder.File("file", compressed ? Folders.Compress(content) : content));
}
