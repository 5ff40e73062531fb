using System.ComponentModel.DataAnnotations;
using FedCore.Models;
using FedCore.Training.Data;

namespace FedCore.Simulation.Poisoning;

/// <summary>How a client harms the model. Registered by name; public properties are its parameters.</summary>
public interface IPoisoning
{
    /// <summary>The factor on the update that it sends, in place of 1.</summary>
    float UpdateFactor => 1;

    /// <summary>Refuses a model to which it cannot be done.</summary>
    /// <param name="model">The model.</param>
    /// <exception cref="FedCoreException">It cannot (<c>simulation.attackers</c>).</exception>
    void Check(ModelPlan model)
    {
    }

    /// <summary>The examples that it trains on in place of its own.</summary>
    /// <param name="data">Its own.</param>
    /// <param name="model">The model.</param>
    /// <returns>The examples.</returns>
    ClientData Poison(ClientData data, ModelPlan model) => data;
}

/// <summary>Sends a multiple of its update; a negative one leads the model away.</summary>
public sealed class ScaledUpdatePoisoning : IPoisoning
{
    /// <summary>The factor.</summary>
    [Range(-1e9, 1e9)]
    public double Factor { get; init; } = -10;

    /// <inheritdoc/>
    public float UpdateFactor => (float)Factor;
}

/// <summary>Sends its update with the sign turned (Li et al. 2019).</summary>
public sealed class SignFlipPoisoning : IPoisoning
{
    /// <inheritdoc/>
    public float UpdateFactor => -1;
}

/// <summary>Sends what is not a number.</summary>
public sealed class NotANumberPoisoning : IPoisoning
{
    /// <inheritdoc/>
    public float UpdateFactor => float.NaN;
}

/// <summary>Trains on wrong labels: class c as class C - 1 - c of C classes (Fang et al. 2020).</summary>
public sealed class LabelFlipPoisoning : IPoisoning
{
    private readonly System.Runtime.CompilerServices.ConditionalWeakTable<ExampleSet, ExampleSet> _flipped = [];

    /// <inheritdoc/>
    public void Check(ModelPlan model)
    {
        ArgumentNullException.ThrowIfNull(model);
        if (model.Label.Classes == 0)
            throw FedCoreException.Configuration("simulation.attackers", "simulation.attackers.behavior labelFlip needs labels that are classes. Use another behavior, such as signFlip.");
    }

    /// <inheritdoc/>
    public ClientData Poison(ClientData data, ModelPlan model)
    {
        ArgumentNullException.ThrowIfNull(data);
        ArgumentNullException.ThrowIfNull(model);
        ExampleSet flipped = _flipped.GetValue(data.Train.Set, set => new FlippedLabels(set, model.Label.Classes));
        return data with { Train = new ExampleView(flipped, data.Train.Rows) };
    }

    private sealed class FlippedLabels : ExampleSet
    {
        private readonly ExampleSet _inner;
        private readonly float[] _labels;

        public FlippedLabels(ExampleSet inner, int classes)
            : base(inner.Features, inner.LabelWidth, inner.Count)
        {
            _inner = inner;
            _labels = new float[inner.Count * inner.LabelWidth];
            for (int i = 0; i < _labels.Length; i++) _labels[i] = classes - 1 - inner.Label(i / inner.LabelWidth)[i % inner.LabelWidth];
        }

        public override void CopyFeatures(ReadOnlySpan<int> rows, Span<float> target) => _inner.CopyFeatures(rows, target);

        public override ReadOnlySpan<float> Label(int row) => _labels.AsSpan(row * LabelWidth, LabelWidth);
    }
}
