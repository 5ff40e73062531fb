using FedCore.Core.Tests.Json;
using FedCore.Rounds;
using FedCore.Rounds.Selection;

namespace FedCore.Core.Tests.Rounds;

public class RunPlanTests
{
    public static TheoryData<string, string> Contradictions => new()
    {
        { "evaluation.fineTune={\"epochs\":1,\"steps\":5}", "evaluation.fineTune has both \"epochs\" and \"steps\"" },
        { "training.steps=5", "training has both \"epochs\" and \"steps\"" },
        { "training.optimizer={\"type\":\"sgd\",\"nesterov\":true}", "training.optimizer.nesterov needs a momentum" },
        { "evaluation.splits=[\"test\",\"test\"]", "evaluation.splits names a split twice" },
        { "stop={\"metric\":\"accuracy\"}", "stop has neither \"atLeast\" nor \"atMost\"" },
        { "stop.metric=acuracy", "stop.metric is \"acuracy\". Known here: loss, accuracy." },
        { "stop.metric=\"a\\u001bb\"", "stop.metric is \"a\\u001Bb\". Known here: loss, accuracy." },
        { "stop.metric=trainLoss", "stop.metric is \"trainLoss\". Known here: loss, accuracy." },
        { "evaluation.every=0", "stop needs evaluations, but evaluation.every is 0" },
    };

    [Theory]
    [MemberData(nameof(Contradictions))]
    public void A_run_that_contradicts_itself_is_refused(string assignment, string message)
    {
        var fault = Assert.Throws<FedCoreException>(() => Plan(assignment));
        Assert.Equal("run.invalid", fault.Code);
        Assert.StartsWith(message, fault.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(3)]
    [InlineData(5)]
    public void A_data_contract_must_make_as_many_numbers_as_the_model_takes(int width)
    {
        var contract = new DataContract { Features = [.. Enumerable.Range(0, width).Select(i => new Feature { Name = $"f{i}" })], Label = new Label { Name = "y" } };
        Assert.Equal("model.shape", Assert.Throws<FedCoreException>(() => RunPlan.Create(RunFiles.Read() with { Data = contract }, RunFiles.Names)).Code);
    }

    // A number, three categories as three numbers, and three categories without the first as two: six.
    [Fact]
    public void Categories_make_a_number_each_and_one_less_without_the_first()
    {
        var contract = new DataContract
        {
            Features =
            [
                new Feature { Name = "age" },
                new Feature { Name = "stage", Categories = ["a", "b", "c"] },
                new Feature { Name = "grade", Categories = ["a", "b", "c"], DropFirst = true },
            ],
            Label = new Label { Name = "y", Classes = ["a", "b", "c"] },
        };
        Assert.Equal(6, RunPlan.Create(RunFiles.Read("model.input=[6]") with { Data = contract }, RunFiles.Names).Model.Input[0]);
    }

    [Theory]
    [InlineData("data.features[2].name=f0", "data.features[2].name is \"f0\", like that of data.features[0]. ")]
    [InlineData("data.features[1].categories=[\"a\",\"b\",\"a\"]", "data.features[1].categories[2] is \"a\", the same category as \"a\" at [0]. ")]
    [InlineData("data.features[1].categories=[\"1\",\"2\",\"1.0\"]", "data.features[1].categories[2] is \"1.0\", the same category as \"1\" at [0]. ")]
    [InlineData("data.label.classes=[\"no\",\"yes\",\"no\"]", "data.label.classes[2] is \"no\", like classes[0]. ")]
    public void A_name_that_stands_twice_in_a_data_contract_is_refused_with_both_places(string assignment, string message)
    {
        const string contract = "data={\"features\":[{\"name\":\"f0\"},{\"name\":\"f1\"},{\"name\":\"f2\"},{\"name\":\"f3\"}],\"label\":{\"name\":\"y\"}}";
        Plan(contract);
        var fault = Assert.Throws<FedCoreException>(() => Plan(contract, assignment));
        Assert.Equal("run.invalid", fault.Code);
        Assert.StartsWith(message, fault.Message, StringComparison.Ordinal);
        Assert.Contains("Remove ", fault.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_label_with_other_classes_than_the_model_is_refused()
    {
        var contract = new DataContract
        {
            Features = [.. Enumerable.Range(0, 4).Select(i => new Feature { Name = $"f{i}" })],
            Label = new Label { Name = "y", Classes = ["a", "b"] },
        };
        Assert.Equal("model.shape", Assert.Throws<FedCoreException>(() => RunPlan.Create(RunFiles.Read() with { Data = contract }, RunFiles.Names)).Code);
    }

    [Theory]
    [InlineData(double.NaN)]
    [InlineData(double.PositiveInfinity)]
    public void A_definition_in_code_with_a_number_that_is_not_finite_is_refused(double rate)
    {
        RunDefinition run = RunFiles.Read();
        var fault = Assert.Throws<FedCoreException>(() => RunPlan.Create(run with { Training = run.Training with { LearningRate = rate } }, RunFiles.Names));
        Assert.Equal("run.invalid", fault.Code);
    }

    [Fact]
    public void A_definition_in_code_passes_the_checks_of_a_file()
    {
        RunDefinition run = RunFiles.Read();
        var fault = Assert.Throws<FedCoreException>(() => RunPlan.Create(run with { Rounds = run.Rounds with { Count = 0 } }, RunFiles.Names));
        Assert.Equal("Run 'small': rounds.count is 0: it must be at least 1 and at most 10000000.", fault.Message);
    }

    // The cohort is 3 of 10, then all 10, then 4 tenths of 10, then any number.
    [Theory]
    [InlineData("{\"type\": \"uniform\", \"size\": 3}", 3)]
    [InlineData("{\"type\": \"all\"}", 10)]
    [InlineData("{\"type\": \"uniform\", \"fraction\": 0.4}", 4)]
    [InlineData("{\"type\": \"poisson\", \"rate\": 0.1}", 10)]
    public void More_minimum_reports_than_a_round_can_want_are_refused(string cohort, int most)
    {
        Plan($"rounds.cohort={cohort}", $"rounds.minimumReports={most}").CheckPopulation(10);
        var fault = Assert.Throws<FedCoreException>(() => Plan($"rounds.cohort={cohort}", $"rounds.minimumReports={most + 1}").CheckPopulation(10));
        Assert.Equal("run.cohort", fault.Code);
    }

    [Fact]
    public void An_evaluation_cohort_larger_than_the_population_is_refused()
    {
        RunDefinition run = RunFiles.Read();
        RunPlan plan = RunPlan.Create(run with { Evaluation = run.Evaluation with { Cohort = new UniformSelection { Size = 11 } } }, RunFiles.Names);
        Assert.Equal("run.cohort", Assert.Throws<FedCoreException>(() => plan.CheckPopulation(10)).Code);
    }

    // 4 x 3 + 3 parameters, then the weight and examples, loss and correct answers.
    [Fact]
    public void An_update_has_the_strategys_sections_the_weight_and_the_metrics() =>
        Assert.Equal([("model", 15), ("weight", 1), ("examples", 1), ("loss", 1), ("correct", 1L)], Plan().TrainLayout.Sections.Select(s => (s.Name, s.Length)));

    private static RunPlan Plan(params string[] assignments) => RunPlan.Create(RunFiles.Read(assignments), RunFiles.Names);
}
