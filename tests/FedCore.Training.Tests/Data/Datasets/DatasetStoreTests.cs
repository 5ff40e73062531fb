using System.Security.Cryptography;
using System.Text;
using FedCore.Tests;
using FedCore.Training.Data.Datasets;

namespace FedCore.Training.Tests.Data.Datasets;

public sealed class DatasetStoreTests : IDisposable
{
    private static readonly byte[] Plain = Encoding.UTF8.GetBytes("1,2,3\n"), Unpacked = new byte[3000];
    private static readonly DatasetInfo Info = new(
        "two-files", "Two files", "none", "nobody", [Describe("a.csv", Plain), Describe("b.gz", Unpacked)], ["/nowhere/two-files"], "dataset-two-files");

    private readonly TemporaryFolder _folder = new();
    private readonly FakeServer _server = new();
    private readonly DatasetStore _store;

    public DatasetStoreTests()
    {
        _store = new DatasetStore(_folder.Path);
        _server.Files["/a.csv"] = Plain;
        _server.Files["/b.gz"] = Folders.Compress(Unpacked);
    }

    private string Target => Path.Combine(_folder.Path, Info.Name);

    public void Dispose()
    {
        _server.Dispose();
        _folder.Dispose();
    }

    [Fact]
    public async Task Missing_files_are_fetched_and_nothing_else_is_left_in_the_folder()
    {
        Assert.Null(_store.Locate(Info));
        Assert.Equal(Target, await GetAsync());
        Assert.Equal(["/a.csv", "/b.gz"], _server.Requests);
        Assert.Equal(["a.csv", "b.gz"], Names());
        Assert.Equal(Plain, await File.ReadAllBytesAsync(Path.Combine(Target, "a.csv"), TestContext.Current.CancellationToken));
        Assert.Equal(Target, _store.Locate(Info));
    }

    [Fact]
    public async Task Present_files_are_not_fetched_and_damaged_ones_are()
    {
        await GetAsync();
        _server.Requests.Clear();
        await GetAsync();
        Assert.Empty(_server.Requests);

        await File.WriteAllTextAsync(Path.Combine(Target, "a.csv"), "1,2,4\n", TestContext.Current.CancellationToken);
        var reports = new List<(string Name, bool Present)>();
        await GetAsync(new Recorder(reports));
        Assert.Equal(["/a.csv"], _server.Requests);
        Assert.Equal([("a.csv", false), ("b.gz", true)], reports);
        Assert.Equal(Plain, await File.ReadAllBytesAsync(Path.Combine(Target, "a.csv"), TestContext.Current.CancellationToken));
    }

    [Fact]
    public async Task A_systems_own_copy_is_used_as_it_is()
    {
        string system = Directory.CreateDirectory(_folder["system"]).FullName;
        foreach (DatasetFile file in Info.Files) await File.WriteAllBytesAsync(Path.Combine(system, file.Name), [], TestContext.Current.CancellationToken);
        using var http = new HttpClient(_server, disposeHandler: false);
        Assert.Equal(system, await _store.GetAsync(Info with { SystemFolders = [system] }, http, null, TestContext.Current.CancellationToken));
        Assert.Empty(_server.Requests);
    }

    [Theory]
    [InlineData("1,2,4\n", "SHA-256")]
    [InlineData("1,2\n", "has 4 bytes instead of 6")]
    [InlineData("1,2,3\n4,5,6\n", "has more than 6 bytes")]
    public async Task Wrong_content_is_removed_and_reported(string content, string what)
    {
        _server.Files["/a.csv"] = Encoding.UTF8.GetBytes(content);
        var fault = await Assert.ThrowsAsync<FedCoreException>(() => GetAsync());
        Faults.Assert(fault, "data.digest", "http://example.test/a.csv", what, Path.Combine(Target, "a.csv"));
        Assert.Empty(Names());
    }

    [Fact]
    public async Task What_is_no_gzip_is_removed_and_reported()
    {
        _server.Files["/b.gz"] = "<html>404</html>"u8.ToArray();
        var fault = await Assert.ThrowsAsync<FedCoreException>(() => GetAsync());
        Faults.Assert(fault, "data.digest", "http://example.test/b.gz", "gzip");
        Assert.Equal(["a.csv"], Names());
    }

    [Fact]
    public async Task Without_a_network_the_message_says_which_files_to_bring_and_where_to()
    {
        _server.Fault = new HttpRequestException("no such host");
        await AssertUnreachableAsync("no such host");
    }

    [Fact]
    public async Task A_server_without_the_file_or_without_an_answer_is_unreachable()
    {
        _server.Files.Clear();
        await AssertUnreachableAsync("404");
        _server.Fault = new TaskCanceledException("timed out");
        await AssertUnreachableAsync("timed out");
    }

    [Fact]
    public async Task A_cancelled_fetch_is_cancelled()
    {
        using var http = new HttpClient(_server, disposeHandler: false);
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => _store.GetAsync(Info, http, null, new CancellationToken(canceled: true)));
    }

    [Fact]
    public async Task A_folder_that_cannot_be_made_is_named()
    {
        string file = _folder.File("file", "");
        using var http = new HttpClient(_server, disposeHandler: false);
        var fault = await Assert.ThrowsAsync<FedCoreException>(() => new DatasetStore(file).GetAsync(Info, http, null, TestContext.Current.CancellationToken));
        Faults.Assert(fault, "data.store", Path.Combine(file, Info.Name), "FEDCORE_DATA");
    }

    [Fact]
    public async Task A_file_that_cannot_be_written_is_named()
    {
        Directory.CreateDirectory(Path.Combine(Target, "a.csv.partial"));
        Faults.Assert(await Assert.ThrowsAsync<FedCoreException>(() => GetAsync()), "data.store", Target, "FEDCORE_DATA");
    }

    [Fact]
    public void An_unknown_name_is_refused_with_the_known_ones()
    {
        var fault = Assert.Throws<FedCoreException>(() => DatasetCatalog.Find("minst"));
        Faults.Assert(fault, "data.unknown", "'minst'", "fashion-mnist, heart-disease, mnist");
    }

    [Fact]
    public void The_catalogue_has_whole_digests_secure_origins_and_sizes() => Assert.All(DatasetCatalog.All.SelectMany(info => info.Files), file =>
    {
        Assert.Matches("^[0-9a-f]{64}$", file.Sha256);
        Assert.Equal(Uri.UriSchemeHttps, file.Origin.Scheme);
        Assert.True(file.Size > 0);
    });

    private static DatasetFile Describe(string name, byte[] content) =>
        new(name, new Uri("http://example.test/" + name), content.Length, Convert.ToHexStringLower(SHA256.HashData(content)));

    private async Task AssertUnreachableAsync(string cause)
    {
        var fault = await Assert.ThrowsAsync<FedCoreException>(() => GetAsync());
        Assert.Equal(FaultKind.Unreachable, fault.Kind);
        Assert.Equal("data.unreachable", fault.Code);
        Assert.All([cause, "http://example.test/a.csv", "a.csv, b.gz", Target, "apt-get install dataset-two-files"], text => Assert.Contains(text, fault.Message, StringComparison.Ordinal));
        Assert.Empty(Names());
    }

    private async Task<string> GetAsync(IProgress<(DatasetFile File, bool Present)>? progress = null)
    {
        using var http = new HttpClient(_server, disposeHandler: false);
        return await _store.GetAsync(Info, http, progress, TestContext.Current.CancellationToken);
    }

    private IEnumerable<string> Names() => Directory.EnumerateFiles(Target).Select(path => Path.GetFileName(path)).Order();

    private sealed class Recorder(List<(string Name, bool Present)> reports) : IProgress<(DatasetFile File, bool Present)>
    {
        public void Report((DatasetFile File, bool Present) value) => reports.Add((value.File.Name, value.Present));
    }
}
