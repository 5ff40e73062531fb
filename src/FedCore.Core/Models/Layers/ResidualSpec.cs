using System.ComponentModel.DataAnnotations;
using FedCore.Naming;

namespace FedCore.Models.Layers;

/// <summary>
/// <c>y = x + f(x)</c>, where f is layers one behind the other; or <c>y = s(x) + f(x)</c> with a shortcut s, where f changes the shape. Residuals may stand in
/// residuals.
/// </summary>
[Paper("He et al. 2016, Deep Residual Learning", "https://arxiv.org/abs/1512.03385")]
public sealed record ResidualSpec : LayerSpec
{
    /// <summary>The layers of f, in order.</summary>
    [MinLength(1)]
    public required IReadOnlyList<LayerSpec> Layers { get; init; }

    /// <summary>The layers of the shortcut, such as a convolution with kernel 1 and f's stride; null, the default, for x itself.</summary>
    [MinLength(1)]
    public IReadOnlyList<LayerSpec>? Shortcut { get; init; }

    /// <inheritdoc/>
    public override LayerPlan Plan(Shape input) => Plan(input, LayerPlace.Unnamed);

    /// <inheritdoc/>
    internal override LayerPlan Plan(Shape input, LayerPlace place)
    {
        if (Layers.Count == 0 || Shortcut is []) throw new ShapeException("it has a list without layers. Add one");
        (IReadOnlyList<PlannedLayer> layers, Shape output) = place.Within("layers", "").Chain(Layers, input);
        IReadOnlyList<IReadOnlyList<PlannedLayer>> chains = [layers];
        Shape added = input;
        if (Shortcut is not null)
        {
            (IReadOnlyList<PlannedLayer> shortcut, added) = place.Within("shortcut", "shortcut.").Chain(Shortcut, input);
            chains = [layers, shortcut];
        }

        if (output != added)
        {
            throw new ShapeException(Shortcut is null
                ? $"its layers make {output} of {added}, which cannot be added. Let them keep the shape, or add a shortcut that makes {output} of {added} too"
                : $"its layers make {output} and its shortcut {added}, which cannot be added. Let the shortcut make {output} too");
        }

        return new LayerPlan(output, [.. chains.SelectMany(chain => chain).SelectMany(layer => layer.NamedTensors)])
        {
            Chains = chains,
            Vocabulary = chains.Select(chain => chain[0].Plan.Vocabulary).Where(count => count > 0).DefaultIfEmpty().Min(),
        };
    }
}
