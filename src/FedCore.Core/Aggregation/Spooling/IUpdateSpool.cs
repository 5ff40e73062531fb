namespace FedCore.Aggregation.Spooling;

/// <summary>Where the updates of a round lie while a rule reads them again, some elements of all of them at a time.</summary>
/// <remarks>Several threads may read at once, and write different updates at once.</remarks>
public interface IUpdateSpool : IDisposable
{
    /// <summary>Keeps a part of an update.</summary>
    /// <param name="update">Which update, from 0.</param>
    /// <param name="offset">The part's first element.</param>
    /// <param name="values">The part.</param>
    void Write(int update, long offset, ReadOnlySpan<float> values);

    /// <summary>Reads a part of an update that was written.</summary>
    /// <param name="update">Which update, from 0.</param>
    /// <param name="offset">The part's first element.</param>
    /// <param name="values">Receives the part.</param>
    void Read(int update, long offset, Span<float> values);
}
