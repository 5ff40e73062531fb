namespace FedCore.SecureAggregation.Suites;

/// <summary>What every hash, key and signature of secure aggregation begins with, so that none can stand for another.</summary>
internal static class Labels
{
    public static ReadOnlySpan<byte> Terms => "fedcore secagg 1 terms"u8;

    public static ReadOnlySpan<byte> Advertisement => "fedcore secagg 1 advertisement"u8;

    public static ReadOnlySpan<byte> Advertisements => "fedcore secagg 1 advertisements"u8;

    public static ReadOnlySpan<byte> Graph => "fedcore secagg 1 graph"u8;

    public static ReadOnlySpan<byte> Commitment => "fedcore secagg 1 self mask commitment"u8;

    public static ReadOnlySpan<byte> SelfMask => "fedcore secagg 1 self mask"u8;

    public static ReadOnlySpan<byte> PairMask => "fedcore secagg 1 pair mask"u8;

    public static ReadOnlySpan<byte> Share => "fedcore secagg 1 share"u8;

    public static ReadOnlySpan<byte> Survivors => "fedcore secagg 1 survivors"u8;

    public static ReadOnlySpan<byte> AgreementKey => "fedcore secagg 1 agreement key"u8;

    public static ReadOnlySpan<byte> Roster => "fedcore federation 1 roster"u8;
}
