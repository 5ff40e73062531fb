using FedCore.Numerics;
using FedCore.Strategies;
using FedCore.Updates;

namespace FedCore.Compression;

/// <summary>Refuses bytes that are not an update while they come in, so that each of them is looked at when it is at hand anyway. For one caller at a time.</summary>
public sealed class UpdateCheck : IDisposable
{
    private readonly UpdateCodec _codec;
    private readonly IEncodedUpdate _bytes;
    private readonly int _round;
    private readonly ClientWeighting? _weighting;
    private UpdateDecoder? _decoder;
    private long _next;

    internal UpdateCheck(UpdateCodec codec, IEncodedUpdate bytes, int round, ClientWeighting? weighting) => (_codec, _bytes, _round, _weighting) = (codec, bytes, round, weighting);

    /// <summary>Goes on as far as the bytes reach. What passes to the end is read without a fault.</summary>
    /// <param name="available">How many bytes are there from the beginning, at most all of them and no fewer than the last time; none behind them is asked for.</param>
    /// <exception cref="UpdateRefusedException">They are not of the codec's layout (<c>update.encoding</c>), a number is not finite, or no client weighs as much (<c>update.weight</c>). The check is over then.</exception>
    public void Advance(long available)
    {
        bool isWhole = available == _bytes.Length;
        if (_decoder is null)
        {
            if (!isWhole && available < _codec.Layout.ScalarCount * (long)sizeof(double)) return;
            _decoder = new UpdateDecoder(_codec, _bytes, _round);
            foreach (double scalar in _decoder.Scalars)
                if (!double.IsFinite(scalar)) throw NotFinite();
            if (_codec.Layout.Has(Section.Weight)) CheckWeight(_decoder.Scalars[(int)_codec.Layout.Find(Section.Weight).Offset]);
        }

        while (_next < _codec.Layout.VectorLength && (isWhole || _decoder.NextEnd <= available))
        {
            ReadOnlySpan<float> block = _decoder.Read(_next);
            if (!VectorBlocks.IsFinite(block)) throw NotFinite();
            _next += block.Length;
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        if (_decoder is not null) _decoder.Dispose();
        else _bytes.Dispose();
    }

    // One client whose weight is huge is the model, and one whose weight is below 0 takes away what the others weigh.
    private void CheckWeight(double weight)
    {
        string? fault = _weighting is { } weighting ? weighting.FaultIn(weight) : weight < 0 ? "no client weighs less than 0" : null;
        if (fault is not null) throw new UpdateRefusedException(UpdateRefusedException.Weight, $"The update weighs {weight}, but {fault}.");
    }

    private static UpdateRefusedException NotFinite() => new(UpdateRefusedException.NotFinite, "The update is not finite.");
}
