using FedCore.Models;
using FedCore.Models.Layers;
using FedCore.Numerics;
using FedCore.Training.Engine;
using FedCore.Training.Layers;

namespace FedCore.Training.Tests.Layers;

/// <summary>Tables of vectors: sums of eighths are exact, so outputs and gradients equal their definitions.</summary>
public class EmbeddingTests
{
    private const int Batch = 3, Tokens = 5, Vocabulary = 7, Width = 19;

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Outputs_and_gradients_equal_the_definition(bool positions)
    {
        using LayerProbe probe = Make(positions);
        RandomStream random = Draw.Stream("tokens");
        float[] x = Numbers(random, probe.InputCount), w = Draw.Eighths(random, probe.ParameterCount), y = new float[Batch * Tokens * Width], dw = new float[w.Length];
        for (int place = 0; place < Batch * Tokens; place++)
        {
            for (int i = 0; i < Width; i++)
            {
                int row = (int)x[place] * Width + i, position = (Vocabulary + place % Tokens) * Width + i;
                y[place * Width + i] = w[row] + (positions ? w[position] : 0);
                dw[row] += probe.Coefficients[place * Width + i];
                if (positions) dw[position] += probe.Coefficients[place * Width + i];
            }
        }

        Assert.Equal(y, probe.Forward(x, w));
        Assert.Equal(dw, probe.Gradients(x, w).Parameters);
    }

    [Fact]
    public void In_a_step_only_the_rows_of_tokens_that_are_there_move()
    {
        using Layer layer = EngineRegistry.CreateDefault().Create(
            new EmbeddingSpec { Vocabulary = Vocabulary, Width = Width }, new LayerSite(new Shape(2), new Shape(2, Width), 1, NeedsInputGradient: false));
        float[] table = new float[Vocabulary * Width], dy = [.. Enumerable.Repeat(1f, 5 * 2 * Width)], y = new float[dy.Length];
        var pass = new LayerPass(1, true, table, default, isStep: true, null);
        layer.Forward(pass, [4, 4], y);
        Assert.True(layer.Backward(pass, [4, 4], y, dy, default));
        for (int i = 0; i < table.Length; i++) Assert.Equal(i / Width == 4 ? 2 : 0, table[i]);
    }

    [Theory]
    [InlineData(-1)]
    [InlineData(Vocabulary)]
    [InlineData(0.5f)]
    [InlineData(float.NaN)]
    [InlineData(float.PositiveInfinity)]
    [InlineData(1e30f)]
    public void A_number_that_is_no_token_is_refused_by_the_layer_itself(float token)
    {
        using LayerProbe probe = Make(positions: false);
        float[] x = new float[probe.InputCount];
        x[^1] = token;
        var fault = Assert.Throws<FedCoreException>(() => probe.Forward(x, new float[probe.ParameterCount]));
        Assert.Equal("data.token", fault.Code);
        Assert.Contains("0 to 6", fault.Message, StringComparison.Ordinal);
    }

    private static LayerProbe Make(bool positions) =>
        new(new EmbeddingSpec { Vocabulary = Vocabulary, Width = Width, Positions = positions }, new Shape(Tokens), Batch, draw: Numbers);

    private static float[] Numbers(RandomStream random, int count) => [.. Enumerable.Range(0, count).Select(_ => (float)random.NextInt32(Vocabulary))];
}
