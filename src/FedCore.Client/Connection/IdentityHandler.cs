namespace FedCore.Client.Connection;

/// <summary>Says with every call who calls, and in which version of the protocol.</summary>
internal sealed class IdentityHandler(ClientToken token, string client, HttpMessageHandler inner) : DelegatingHandler(inner)
{
    /// <summary>The version of the protocol that this client speaks.</summary>
    public const int ProtocolVersion = 1;

    private const string Version = "1";

    protected override Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
    {
        request.Headers.TryAddWithoutValidation("authorization", "Bearer " + token.Value);
        request.Headers.TryAddWithoutValidation("fedcore-protocol", Version);
        request.Headers.TryAddWithoutValidation("fedcore-client", client);
        return base.SendAsync(request, cancellationToken);
    }
}
