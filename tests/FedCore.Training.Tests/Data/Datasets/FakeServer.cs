using System.Net;

namespace FedCore.Training.Tests.Data.Datasets;

/// <summary>Answers requests in this process; paths that it does not have are not found.</summary>
internal sealed class FakeServer : HttpMessageHandler
{
    public Dictionary<string, byte[]> Files { get; } = [];

    /// <summary>Thrown instead of an answer, as when there is no network.</summary>
    public Exception? Fault { get; set; }

    public List<string> Requests { get; } = [];

    protected override Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
    {
        string path = request.RequestUri!.AbsolutePath;
        Requests.Add(path);
        if (Fault is not null) return Task.FromException<HttpResponseMessage>(Fault);
        return Task.FromResult(Files.TryGetValue(path, out byte[]? content)
            ? new HttpResponseMessage(HttpStatusCode.OK) { Content = new ByteArrayContent(content) }
            : new HttpResponseMessage(HttpStatusCode.NotFound));
    }
}
