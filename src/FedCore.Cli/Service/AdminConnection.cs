using System.CommandLine;
using FedCore.Protocol.Connections;
using FedCore.Protocol.Transfers;
using FedCore.Protocol.V1;
using Grpc.Core;
using Grpc.Net.Client;

namespace FedCore.Cli.Service;

/// <summary>A coordinator's connection to an aggregator: where it is, and the token that shows who asks.</summary>
internal sealed class AdminConnection : IDisposable
{
    private const string AddressVariable = "FEDCORE_AGGREGATOR", TokenVariable = "FEDCORE_TOKEN", DefaultAddress = "http://127.0.0.1:8470";
    private const int MaxMessageBytes = 16 << 20;

    private readonly GrpcChannel _channel;
    private readonly string _address;

    private AdminConnection(string address, string token, string? certificate)
    {
        _address = address;
        SocketsHttpHandler sockets = OutboundConnections.Create();
        (sockets.KeepAlivePingDelay, sockets.KeepAlivePingTimeout) = (TimeSpan.FromSeconds(30), TimeSpan.FromSeconds(15));
        if (certificate is not null) sockets.SslOptions = PrivateAuthority.TrustIn(certificate, (what, cause) => FedCoreException.Configuration(
            "admin.certificate", $"--certificate is {Shown.Of(certificate, 400)}, which {Shown.Of(what, 400)}. Name a PEM file with the certificate of the authority that has signed the aggregator's.", cause));
        _channel = GrpcChannel.ForAddress(address, new GrpcChannelOptions { HttpHandler = new CoordinatorHandler(token, sockets), MaxReceiveMessageSize = MaxMessageBytes });
        CallInvoker invoker = _channel.CreateCallInvoker();
        (Admin, Blobs) = (new Admin.AdminClient(invoker), new BlobsClient(invoker));
    }

    public Admin.AdminClient Admin { get; }

    public BlobsClient Blobs { get; }

    /// <summary>The options by which a command finds the aggregator.</summary>
    internal sealed record Options(Option<string?> Address, Option<string?> TokenFile, Option<string?> Certificate, Option<bool> Json)
    {
        public static Options New() => new(
            new Option<string?>("--aggregator") { Description = $"The aggregator's address; otherwise {AddressVariable}, or {DefaultAddress}.", HelpName = "URL" },
            new Option<string?>("--token-file") { Description = $"A file with the coordinators' token; otherwise {TokenVariable}, or the file of an aggregator in this folder.", HelpName = "FILE" },
            new Option<string?>("--certificate") { Description = "A PEM file with the certificate of a private authority that has signed the aggregator's.", HelpName = "FILE" },
            new Option<bool>("--json") { Description = "Print JSON, one value a line." });

        public void AddTo(Command command)
        {
            command.Add(Address);
            command.Add(TokenFile);
            command.Add(Certificate);
            command.Add(Json);
        }

        public AdminConnection Connect(ParseResult parsed) => AdminConnection.Connect(parsed.GetValue(Address), parsed.GetValue(TokenFile), parsed.GetValue(Certificate));
    }

    /// <summary>Makes a connection; nothing is sent yet.</summary>
    /// <exception cref="FedCoreException">The address or the token is missing or wrong.</exception>
    public static AdminConnection Connect(string? address, string? tokenFile, string? certificate)
    {
        address ??= Environment.GetEnvironmentVariable(AddressVariable) is { Length: > 0 } variable ? variable : DefaultAddress;
        if (!Uri.TryCreate(address, UriKind.Absolute, out Uri? uri) || uri.Scheme is not ("http" or "https"))
            throw new FedCoreException(FaultKind.Usage, "admin.address", $"'{Shown.Of(address)}' is no address of an aggregator. Write it as https://host:port.");
        if (uri.Scheme == "http" && !uri.IsLoopback && Environment.GetEnvironmentVariable("FEDCORE_ALLOW_INSECURE") is not { Length: > 0 })
        {
            throw FedCoreException.Configuration(
                "admin.insecure", $"{address} is reached without TLS, so the token could be read on the way. Use https; FEDCORE_ALLOW_INSECURE=1 lets it be, in a network that nobody else reaches.");
        }

        return new AdminConnection(address, TokenFrom(tokenFile), certificate);
    }

    /// <summary>Makes a call; its faults become the command's.</summary>
    public async Task<T> CallAsync<T>(Func<AdminConnection, Task<T>> call)
    {
        try
        {
            return await call(this);
        }
        catch (RpcException fault)
        {
            throw Translate(fault);
        }
    }

    /// <summary>A call's fault as the command's.</summary>
    public FedCoreException Translate(RpcException fault)
    {
        if (PrivateAuthority.DistrustIn(fault) is { } distrust)
        {
            return FedCoreException.Configuration(
                "admin.certificate", $"The certificate of {_address} is not to be trusted: {Shown.Of(distrust.TrimEnd('.'), 400)}. Where a private authority has signed it, name that authority's certificate with --certificate.", fault);
        }

        FaultKind kind = fault.StatusCode switch
        {
            StatusCode.Unavailable or StatusCode.DeadlineExceeded => FaultKind.Unreachable,
            StatusCode.InvalidArgument or StatusCode.NotFound or StatusCode.AlreadyExists or StatusCode.Unauthenticated or StatusCode.PermissionDenied => FaultKind.Configuration,
            _ => FaultKind.RunFailed,
        };
        string code = RpcDetails.FaultIn(fault)?.Code ?? "admin.call";
        string message = kind == FaultKind.Unreachable ? $"The aggregator at {_address} cannot be reached: {Shown.Of(fault.Status.Detail, 400)}. Is it running, and is --aggregator right?" : fault.Status.Detail;
        return new FedCoreException(kind, code, message, fault);
    }

    public void Dispose() => _channel.Dispose();

    private static string TokenFrom(string? file)
    {
        if (file is null && Environment.GetEnvironmentVariable(TokenVariable) is { Length: > 0 } token) return token;
        string path = file ?? Path.Combine("fedcore-aggregator", "coordinator.token");
        try
        {
            return File.ReadAllText(path).Trim();
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            throw FedCoreException.Configuration(
                "admin.token", $"The coordinators' token cannot be read from {Shown.Of(path, 400)} ({fault.Message.TrimEnd('.')}). Name the file in the aggregator's data folder with --token-file, or set {TokenVariable}.", fault);
        }
    }

    private sealed class CoordinatorHandler(string token, HttpMessageHandler inner) : DelegatingHandler(inner)
    {
        protected override Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
        {
            request.Headers.TryAddWithoutValidation("authorization", "Bearer " + token);
            request.Headers.TryAddWithoutValidation(ProtocolVersion.Field, ProtocolVersion.Current);
            return base.SendAsync(request, cancellationToken);
        }
    }
}
