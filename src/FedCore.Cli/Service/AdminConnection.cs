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
        SocketsHttpHandler sockets = OutboundConnections.Create(address);
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
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    public async Task<T> CallAsync<T>(Func<AdminConnection, Task<T>> call, CancellationToken ct)
    {
        try
        {
            return await call(this);
        }
        catch (RpcException fault) when (fault.StatusCode == StatusCode.Cancelled && ct.IsCancellationRequested)
        {
            throw new OperationCanceledException(fault.Message, fault, ct);
        }
        catch (RpcException fault)
        {
            throw Translate(fault);
        }
    }

    /// <summary>A call's fault as the command's.</summary>
    public FedCoreException Translate(RpcException fault)
    {
        string? hint = WrongPort.In(fault) switch
        {
            PortFault.NoTls => "what answers there speaks no TLS. Write http:// for an aggregator on this machine, or name the port for which it has a certificate",
            PortFault.OnlyHttp1 => "what answers there speaks HTTP/1.1 alone, as some proxies do, and coordinators' calls go over HTTP/2. Name an address of the aggregator itself",
            _ => null,
        };
        if (hint is not null) return FedCoreException.Configuration("admin.address", $"--aggregator is {_address}, but {hint}.", fault);
        if (PrivateAuthority.DistrustIn(fault) is { } distrust)
        {
            return FedCoreException.Configuration(
                "admin.certificate", $"The certificate of {_address} is not to be trusted: {Shown.Of(distrust.TrimEnd('.'), 400)}. Where a private authority has signed it, name that authority's certificate with --certificate.", fault);
        }

        string? code = RpcDetails.FaultIn(fault)?.Code;
        string detail = Shown.Of(fault.Status.Detail.TrimEnd('.'), 400);
        return fault.StatusCode switch
        {
            StatusCode.Unauthenticated => FedCoreException.Configuration(
                code ?? "admin.token", $"The aggregator at {_address} does not know this coordinators' token. Name the file in its data folder with --token-file, or set {TokenVariable}.", fault),
            StatusCode.Unavailable or StatusCode.DeadlineExceeded => new FedCoreException(
                FaultKind.Unreachable, code ?? "admin.call",
                code is null ? $"The aggregator at {_address} cannot be reached: {detail}. Is it running, and is --aggregator right?" : fault.Status.Detail, fault),
            StatusCode.InvalidArgument or StatusCode.NotFound or StatusCode.AlreadyExists or StatusCode.PermissionDenied => FedCoreException.Configuration(code ?? "admin.call", fault.Status.Detail, fault),
            _ => new FedCoreException(FaultKind.RunFailed, code ?? "admin.call", fault.Status.Detail, fault),
        };
    }

    public void Dispose() => _channel.Dispose();

    private static string TokenFrom(string? file)
    {
        if (file is null && Environment.GetEnvironmentVariable(TokenVariable) is { Length: > 0 } variable) return Checked(variable, TokenVariable);
        string path = file ?? Path.Combine("fedcore-aggregator", "coordinator.token");
        try
        {
            return Checked(File.ReadAllText(path), file is null ? $"The file {path}" : $"--token-file is {Shown.Of(file, 400)}, which");
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            throw FedCoreException.Configuration(
                "admin.token", $"The coordinators' token cannot be read from {Shown.Of(path, 400)} ({fault.Message.TrimEnd('.')}). Name the file in the aggregator's data folder with --token-file, or set {TokenVariable}.", fault);
        }
    }

    // What is no field of HTTP would be a fault of the call, which says nothing of the token.
    private static string Checked(string text, string place)
    {
        string token = text.Trim();
        return token.Length > 0 && token.All(c => c is > ' ' and <= '~') ? token : throw FedCoreException.Configuration(
            "admin.token", $"{place} holds no token: that is one word of ASCII and nothing else. Name the file coordinator.token in the aggregator's data folder with --token-file, or set {TokenVariable}.");
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
