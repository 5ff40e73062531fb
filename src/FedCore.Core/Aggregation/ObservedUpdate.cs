using FedCore.Updates;

namespace FedCore.Aggregation;

/// <summary>An update on its way to the sum, of which its size and the numbers beside the vectors are remembered.</summary>
internal sealed class ObservedUpdate(IUpdateSource source) : IUpdateSource
{
    /// <summary>The scalar sections; null until the update was opened.</summary>
    public double[]? Scalars { get; private set; }

    /// <summary>Bytes that it took on the wire, where that is known.</summary>
    public long? ByteLength { get; private set; }

    public async ValueTask<IUpdateReader> OpenAsync(CancellationToken ct)
    {
        IUpdateReader reader = await source.OpenAsync(ct).ConfigureAwait(false);
        Scalars = reader.Scalars.ToArray();
        ByteLength = reader.ByteLength;
        return reader;
    }
}
