using System.Security.Cryptography;

namespace FedCore.SecureAggregation.Sessions;

/// <summary>The reply to a message that comes once: the same message gets the same reply again, another one gets none.</summary>
/// <param name="what">What the message is.</param>
internal sealed class RepeatedReply(string what)
{
    private byte[]? _request;
    private byte[] _reply = [];

    /// <summary>The reply, where there was one.</summary>
    public byte[]? Recall(ReadOnlySpan<byte> request, bool allowAnother = false)
    {
        if (_request is null) return null;
        if (SHA256.HashData(request).AsSpan().SequenceEqual(_request)) return _reply;
        return allowAnother ? null : throw new SecureAggregationException(SecureAggregationCodes.Repeated, $"Another {what} came before. A client answers one, and the same one again.");
    }

    public byte[] Keep(ReadOnlySpan<byte> request, byte[] reply)
    {
        (_request, _reply) = (SHA256.HashData(request), reply);
        return reply;
    }

    public void Forget() => CryptographicOperations.ZeroMemory(_reply);
}
