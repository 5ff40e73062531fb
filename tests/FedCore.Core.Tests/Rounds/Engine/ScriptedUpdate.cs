using FedCore.Numerics;
using FedCore.Rounds;
using FedCore.Updates;

namespace FedCore.Core.Tests.Rounds.Engine;

/// <summary>
/// An update that follows from the global model, the round and the client alone, so that a run's last bit depends on everything before it. Its sums
/// are those of a mean squared error.
/// </summary>
internal sealed class ScriptedUpdate : IUpdateSource, IUpdateReader
{
    private readonly float[] _values;
    private readonly double[] _scalars;

    public ScriptedUpdate(float[] values, double[] scalars) => (_values, _scalars) = (values, scalars);

    public int Contributors => 1;

    public ReadOnlySpan<double> Scalars => _scalars;

    public ValueTask<IUpdateReader> OpenAsync(CancellationToken ct) => new(this);

    public ReadOnlySpan<float> Read(long offset) => _values.AsSpan((int)offset);

    public void Dispose()
    {
    }

    public static IUpdateSource Of(SiteTask task, ClientDescriptor client)
    {
        float[] model = task.Model.Trainable.AsSpan().ToArray();
        if (task is EvaluateTask) return new ScriptedUpdate([], [10, model.Sum(value => (double)value * value), model.Sum(value => (double)Math.Abs(value))]);
        float weight = 1 + client.Index;
        RandomStream random = Statistics.Stream($"client {client.Id}", task.Round);
        return new ScriptedUpdate([.. model.Select(value => weight * ((float)random.NextNormal() - 0.3f * value))], [weight, weight, weight * 0.5, weight * 0.25]);
    }

    /// <summary>A source that refuses.</summary>
    public static IUpdateSource Refused(string code) => new Refusing(code);

    private sealed class Refusing(string code) : IUpdateSource
    {
        public ValueTask<IUpdateReader> OpenAsync(CancellationToken ct) => throw new UpdateRefusedException(code, "The update cannot be used.");
    }
}
