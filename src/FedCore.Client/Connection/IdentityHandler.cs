using FedCore.Hosting.Telemetry;
using FedCore.Protocol.Connections;

namespace FedCore.Client.Connection;

/// <summary>Says with every call who calls, in which version of the protocol, and as a part of which activity.</summary>
internal sealed class IdentityHandler(ClientToken token, string client, HttpMessageHandler inner) : DelegatingHandler(inner)
{
    protected override Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
    {
        request.Headers.TryAddWithoutValidation("authorization", "Bearer " + token.Value);
        request.Headers.TryAddWithoutValidation(ProtocolVersion.Field, ProtocolVersion.Current);
        request.Headers.TryAddWithoutValidation(ProtocolVersion.ClientField, client);
        if (FedCoreTelemetry.Current?.Id is { } activity) request.Headers.TryAddWithoutValidation(FedCoreTelemetry.ParentField, activity);
        return base.SendAsync(request, cancellationToken);
    }
}
