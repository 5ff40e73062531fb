namespace FedCore.Protocol.Connections;

/// <summary>The metadata that every call carries beside its token.</summary>
internal static class ProtocolVersion
{
    /// <summary>The metadata field of the version.</summary>
    public const string Field = "fedcore-protocol";

    /// <summary>The version that is spoken.</summary>
    public const string Current = "1";

    /// <summary>The version that is spoken, as a number.</summary>
    public const int Number = 1;

    /// <summary>The metadata field that tells a site's clients apart.</summary>
    public const string ClientField = "fedcore-client";
}
