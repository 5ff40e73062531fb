using System.Collections.Concurrent;
using FedCore.Protocol.V1;
using Google.Protobuf;
using Grpc.Core;

namespace FedCore.Protocol.Tests.Probing;

/// <summary>Does what probe.proto says.</summary>
internal sealed class ProbeService : Probe.ProbeBase
{
    public const string Secret = "the password is swordfish";

    private readonly ConcurrentDictionary<string, TaskCompletionSource> _signals = new();

    /// <summary>What the last conversation was held with.</summary>
    public (IAsyncStreamReader<Ask> Reader, IServerStreamWriter<Answer> Writer, ServerCallContext Context)? LastDuplex { get; private set; }

    /// <summary>What the last question's call knew of itself.</summary>
    public (string Method, string Peer, DateTime Deadline) LastUnary { get; private set; }

    public override async Task<Answer> Unary(Ask request, ServerCallContext context)
    {
        LastUnary = (context.Method, context.Peer, context.Deadline);
        await ObeyAsync(request, context);
        return AnswerTo(request);
    }

    public override async Task ServerStream(Ask request, IServerStreamWriter<Answer> responseStream, ServerCallContext context)
    {
        for (int i = 0; i < request.Count; i++) await responseStream.WriteAsync(AnswerTo(request));
        await ObeyAsync(request, context);
    }

    public override async Task<Answer> ClientStream(IAsyncStreamReader<Ask> requestStream, ServerCallContext context)
    {
        var answer = new Answer();
        while (await requestStream.MoveNext())
        {
            if (await ObeyAsync(requestStream.Current, context)) break;
            answer.Messages++;
            answer.Bytes += requestStream.Current.Payload.Length;
        }

        return answer;
    }

    public override async Task Duplex(IAsyncStreamReader<Ask> requestStream, IServerStreamWriter<Answer> responseStream, ServerCallContext context)
    {
        LastDuplex = (requestStream, responseStream, context);
        while (await requestStream.MoveNext())
        {
            if (await ObeyAsync(requestStream.Current, context)) return;
            await responseStream.WriteAsync(AnswerTo(requestStream.Current));
        }
    }

    /// <summary>Completes when a call has begun to wait, or saw that it was cancelled.</summary>
    public Task SignalAsync(string name) => SignalOf(name).Task;

    // Whether a stream shall end here.
    private async Task<bool> ObeyAsync(Ask ask, ServerCallContext context)
    {
        switch (ask.Command)
        {
            case "fail":
                throw Details.Failure(StatusCode.NotFound, ask.Payload.ToStringUtf8(), new Fault { Code = "probe.missing", Field = "payload" });
            case "throw":
                throw new InvalidOperationException(Secret);
            case "wait":
                await WaitAsync(ask.Payload.ToStringUtf8(), context.CancellationToken);
                break;
            case "signal":
                await SignalAsync(ask.Payload.ToStringUtf8()).WaitAsync(context.CancellationToken);
                break;
            case "metadata":
                await SendBackAsync(context);
                break;
        }

        return ask.Command == "early";
    }

    private async Task WaitAsync(string name, CancellationToken ct)
    {
        SignalOf(name + " begun").TrySetResult();
        try
        {
            await Task.Delay(Timeout.Infinite, ct);
        }
        finally
        {
            SignalOf(name + " cancelled").TrySetResult();
        }
    }

    private static async Task SendBackAsync(ServerCallContext context)
    {
        Metadata headers = [];
        foreach (Metadata.Entry entry in context.RequestHeaders.Where(entry => entry.Key.StartsWith("x-", StringComparison.Ordinal)))
        {
            headers.Add(entry);
            context.ResponseTrailers.Add(entry);
        }

        await context.WriteResponseHeadersAsync(headers);
    }

    private TaskCompletionSource SignalOf(string name) => _signals.GetOrAdd(name, _ => new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously));

    private static Answer AnswerTo(Ask ask) => new() { Payload = ask.Size == 0 ? ask.Payload : ByteString.CopyFrom([.. ask.Payload.Span, .. new byte[ask.Size]]) };
}
