using FedCore.Numerics;
using FedCore.Rounds;
using FedCore.Updates;

namespace FedCore.Aggregation.Robust;

/// <summary>
/// A rule that estimates the mean change of the honest clients from updates of which some may be anything. It compares single updates, so the run must disclose
/// them. All clients count the same, however many examples they claim to have: the weight of the sum is the median weight times their number. Numbers beside the vectors
/// that decide anything are estimated by their median.
/// </summary>
public abstract class RobustAggregator : IAggregator
{
    /// <inheritdoc/>
    public IReadOnlyList<Disclosure> Disclosures => [Disclosure.IndividualUpdates];

    /// <inheritdoc/>
    public virtual string? FaultFor(UpdateLayout layout, int updates, int refused = 0) => null;

    /// <inheritdoc/>
    public virtual IAggregator For(int wanted) => this;

    /// <inheritdoc/>
    public virtual int ToleratedOf(int wanted) => Math.Max(0, (wanted - 1) / 2);

    /// <inheritdoc/>
    public async ValueTask<AggregationResult> AggregateAsync(
        UpdateLayout layout, IReadOnlyList<IUpdateSource> updates, AggregationResources resources, CancellationToken ct)
    {
        ArgumentNullException.ThrowIfNull(layout);
        ArgumentNullException.ThrowIfNull(updates);
        ArgumentNullException.ThrowIfNull(resources);
        using SpooledUpdates spooled = await SpooledUpdates.CollectAsync(layout, updates, resources, ct).ConfigureAwait(false);
        FlatVector sum = resources.Pool.Rent(layout.VectorLength);
        double[] scalars = new double[layout.ScalarCount];
        try
        {
            int[] discarded = [];
            if (spooled.Rows.Count == 0 || FaultFor(layout, spooled.Rows.Count, spooled.Refused.Count) is not null) sum.Clear();
            else discarded = await SumAsync(spooled, sum, scalars, resources, ct).ConfigureAwait(false);
            return new AggregationResult(new UpdateSum(layout, sum, scalars, spooled.Contributors), spooled.Refused) { Discarded = discarded };
        }
        catch
        {
            resources.Pool.Return(sum);
            throw;
        }
    }

    /// <summary>Estimates the mean of the updates' vectors.</summary>
    /// <param name="updates">The updates, at least one, and as many as the rule needs.</param>
    /// <param name="mean">Receives the mean.</param>
    /// <param name="resources">Threads and memory.</param>
    /// <param name="ct">Cancels the work.</param>
    /// <returns>Which of <see cref="SpooledUpdates.Rows"/> are no part of it: their places.</returns>
    private protected abstract Task<IReadOnlyList<int>> EstimateAsync(SpooledUpdates updates, FlatVector mean, AggregationResources resources, CancellationToken ct);

    // A sum as strategies expect it: of vectors and numbers, from which they form means. The answer is who is no part of it.
    private async Task<int[]> SumAsync(SpooledUpdates updates, FlatVector sum, double[] scalars, AggregationResources resources, CancellationToken ct)
    {
        IReadOnlyList<int> discarded = await EstimateAsync(updates, sum, resources, ct).ConfigureAwait(false);
        double[] weights = updates.Weights();
        double count = weights.Length, weight = count * Median(weights);
        long start = 0;
        foreach (Section section in updates.Layout.Sections)
        {
            bool isWeighted = section.Weighting == Weighting.Scalar;
            if (section.IsVector)
            {
                float factor = (float)(isWeighted ? weight : count);
                foreach ((long offset, int length) in VectorBlocks.Of(section.Length))
                {
                    Span<float> block = sum.Slice(start + offset, length);
                    System.Numerics.Tensors.TensorPrimitives.Multiply(block, factor, block);
                }

                start += section.Length;
                continue;
            }

            int first = (int)updates.Layout.Find(section.Name).Offset;
            for (int index = first; index < first + section.Length; index++)
            {
                double[] values = updates.Scalars(index);
                scalars[index] = section.Role switch
                {
                    SectionRole.Weight => weight,
                    SectionRole.Statistic when isWeighted => weight * Median([.. values.Zip(weights, (value, own) => value / own)]),
                    SectionRole.Statistic => count * Median(values),
                    _ => values.Sum(),
                };
            }
        }

        return [.. discarded.Select(place => updates.Rows[place])];
    }

    /// <summary>Says why updates cannot be judged by the model's change, where they have more vectors than it.</summary>
    private protected static string? FaultOfSections(UpdateLayout layout)
    {
        Section? other = layout.Sections.FirstOrDefault(section => section.IsVector && section.Name != Section.Model);
        return other is null ? null : $"it judges updates by their change of the model, but these updates have a vector '{other.Name}' too, which nobody would judge. "
            + "Use median or trimmedMean, which judge every number";
    }

    /// <summary>The median of some numbers.</summary>
    private protected static double Median(double[] values)
    {
        double[] sorted = [.. values.Order()];
        return (sorted[(sorted.Length - 1) / 2] + sorted[sorted.Length / 2]) / 2;
    }
}
