using FedCore.Models;
using FedCore.Models.Layers;
using FedCore.Models.Losses;
using FedCore.Rounds;
using FedCore.Training.Data;

namespace FedCore.Training.Tests.Data;

/// <summary>Examples from code meet a model that may want others.</summary>
public class FittingExamplesTests
{
    private static readonly RunPlan Plan = Plans.Of(Plans.Softmax(2, 3));

    [Theory]
    [InlineData(4, "label 1 is 4")]
    [InlineData(3, "label 1 is 3")]
    [InlineData(-1, "label 1 is -1")]
    [InlineData(0.5f, "label 1 is 0.5")]
    [InlineData(float.NaN, "label 1 is NaN")]
    public void A_label_that_is_no_class_is_refused(float label, string what) =>
        Faults.Assert(Refusal(new InMemoryExamples(new Shape(2), new float[4], [2, label]), Plan), "data.label", "These", what, "0 to 2", "outputs");

    [Theory]
    [InlineData(5, "feature 1 of example 1 is 5")]
    [InlineData(-1, "feature 1 of example 1 is -1")]
    [InlineData(0.5f, "feature 1 of example 1 is 0.5")]
    [InlineData(float.NaN, "feature 1 of example 1 is NaN")]
    public void A_feature_that_is_no_token_is_refused(float token, string what) =>
        Faults.Assert(Refusal(new InMemoryExamples(new Shape(2), [0, 4, 3, token], [0, 1, 2, 3], labelWidth: 2), Tokens), "data.token", "These", what, "0 to 4", "vocabulary");

    [Fact]
    public void Every_number_of_a_label_is_looked_at() => Faults.Assert(
        Refusal(new InMemoryExamples(new Shape(2), new float[4], [0, 1, 2, 4], labelWidth: 2), Tokens), "data.label", "These", "label 1, number 1, is 4", "0 to 3");

    [Fact]
    public void Tokens_with_a_label_each_fit() =>
        new InMemoryExamples(new Shape(2), [0, 4, 3, 1], [0, 1, 2, 3], labelWidth: 2).RequireFit(Tokens.Model, "These");

    [Fact]
    public void Another_width_of_features_is_refused_with_both() => Faults.Assert(
        Refusal(new InMemoryExamples(new Shape(7), new float[14], [0, 1]), Plan), "data.shape", "These", "7 features", "model.input is [2]", "Set model.input to [7]");

    [Fact]
    public void Another_width_of_labels_is_refused_with_both()
    {
        RunPlan real = Plans.Of(new ModelSpec { Input = [2], Layers = [new LinearSpec { Outputs = 3 }], Loss = new MeanSquaredErrorSpec() });
        Faults.Assert(Refusal(new InMemoryExamples(new Shape(2), new float[4], [0, 1]), real), "data.shape", "labels of 1 numbers", "takes 3");
    }

    [Fact]
    public void Examples_that_fit_are_looked_at_once()
    {
        var examples = new InMemoryExamples(new Shape(1, 2), new float[4], [2, 0]);
        Assert.False(examples.Fits(Plan.Model));
        examples.RequireFit(Plan.Model, "These");
        Assert.True(examples.Fits(Plan.Model));
        Assert.False(examples.Fits(Plans.Of(Plans.Softmax(2, 3)).Model));
    }

    private static readonly RunPlan Tokens = Plans.Of(new ModelSpec
    {
        Input = [2],
        Layers = [new EmbeddingSpec { Vocabulary = 5, Width = 3 }, new LinearSpec { Outputs = 4 }],
        Loss = new SoftmaxCrossEntropySpec(),
    });

    private static FedCoreException Refusal(ExampleSet examples, RunPlan plan) =>
        Assert.Throws<FedCoreException>(() => examples.RequireFit(plan.Model, "These"));
}
