using FedCore.Cli.Display;
using FedCore.Models;
using FedCore.Models.Layers;
using FedCore.Models.Losses;
using FedCore.Naming;
using FedCore.Rounds;
using FedCore.Strategies;
using Spectre.Console;

namespace FedCore.Cli.Tests.Display;

public sealed class RunStatusTests : IDisposable
{
    private readonly RunPlan _plan = PlanFor("a run");
    private readonly ModelState _model;
    private readonly ManualTime _clock = new();
    private readonly RunStatus _status;

    public RunStatusTests()
    {
        _model = ModelState.Initialize(_plan.Model, _plan.World.Stream("model"));
        _status = new RunStatus(_plan, _clock);
    }

    public void Dispose() => _model.Dispose();

    [Fact]
    public void Clients_count_as_they_finish_training_and_not_when_they_are_asked()
    {
        Open(round: 3, clients: 5);
        Assert.Contains("round 3 of 20: 0 of 5 clients answered", Drawn(), StringComparison.Ordinal);
        Answer(3, clients: 5);
        Assert.Contains("round 3 of 20: 0 of 5 clients trained", Drawn(), StringComparison.Ordinal);
        Train(3, clients: 2, cohort: 5);
        Assert.Contains("round 3 of 20: 2 of 5 clients trained", Drawn(), StringComparison.Ordinal);
    }

    [Fact]
    public void Clients_who_vanished_are_not_waited_for()
    {
        Open(1, 5);
        Answer(1, 3);
        _status.Report(new ReplyTaken(1, 3, ClientOutcome.Lost, "client.vanished"));
        Assert.Contains("4 of 5 clients answered", Drawn(), StringComparison.Ordinal);
        _status.Report(new SetClosed(1, default, "test"));
        Assert.Contains("0 of 3 clients trained", Drawn(), StringComparison.Ordinal);
    }

    [Fact]
    public void A_refused_update_is_no_second_answer()
    {
        Open(1, 5);
        Answer(1, 5);
        Train(1, 5, 5);
        _status.Report(new ReplyTaken(1, 2, ClientOutcome.Refused, "update.not-finite"));
        Assert.Contains("5 of 5 clients trained", Drawn(), StringComparison.Ordinal);
    }

    [Fact]
    public void Clients_who_evaluate_are_counted_as_well()
    {
        Open(1, 5);
        Answer(1, 5);
        Train(1, 5, 5);
        _status.Report(new RoundEnded(Receipt(1, committed: true)));
        Assert.Contains("evaluating", Drawn(), StringComparison.Ordinal);
        for (int i = 0; i < 4; i++) _status.Report(new EvaluateTask([], 1, i, 9, _model, _plan.EvaluateLayout));
        Assert.Contains("4 of 9 clients evaluated", Drawn(), StringComparison.Ordinal);
    }

    [Fact]
    public void Time_moves_while_clients_train()
    {
        Open(1, 5);
        string before = Drawn();
        _clock.Now += TimeSpan.FromSeconds(7);
        Assert.Contains("00:00:00", before, StringComparison.Ordinal);
        Assert.Contains("00:00:07", Drawn(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(40)]
    [InlineData(80)]
    [InlineData(200)]
    public void Curves_take_one_line_each_in_a_terminal_of_any_width(int width)
    {
        for (int round = 1; round <= 20; round++)
        {
            Open(round, 5);
            _status.Report(new RoundEnded(Receipt(round, committed: true)));
        }

        _clock.Now += TimeSpan.FromSeconds(7);
        string[] lines = Drawn(width).TrimEnd().Split('\n');
        Assert.All(lines, line => Assert.InRange(line.TrimEnd().Length, 1, width));
        Assert.Single(lines, line => line.Contains("localAccuracy", StringComparison.Ordinal));
        Assert.Equal(2, lines.Count(line => line.Any("▁▂▃▄▅▆▇█".Contains)));
    }

    [Fact]
    public void A_name_from_a_file_is_shown_and_not_followed()
    {
        string drawn = Draw(new RunStatus(PlanFor("a\u001b[2J[red]b"), _clock), 80);
        Assert.Contains("a\\u001B[2J[red]b", drawn, StringComparison.Ordinal);
    }

    [Fact]
    public void A_terminal_that_cannot_redraw_is_left_alone()
    {
        using var output = new StringWriter();
        using (RunDisplay display = RunDisplay.On(Console(output, AnsiSupport.No), _plan)) display.Say("reading the data");
        Assert.Empty(output.ToString());
    }

    [Fact]
    public void A_terminal_that_can_redraw_shows_the_run()
    {
        using var output = new StringWriter();
        using (RunDisplay display = RunDisplay.On(Console(output, AnsiSupport.Yes), _plan))
        {
            display.Say("reading the data");
            display.Report(new RoundOpened(1, default, [0], 1));
        }

        Assert.Contains("a run", output.ToString(), StringComparison.Ordinal);
    }

    private void Open(int round, int clients) => _status.Report(new RoundOpened(round, default, [.. Enumerable.Range(0, clients).Select(i => (long)i)], clients));

    private void Answer(int round, int clients)
    {
        for (int i = 0; i < clients; i++) _status.Report(new ReplyTaken(round, i, ClientOutcome.Reported, null));
        if (clients == 5) _status.Report(new SetClosed(round, default, "test"));
    }

    private void Train(int round, int clients, int cohort)
    {
        var work = new ClientTask { Round = round, Work = new LocalWork(1, 0), BatchSize = 0, LearningRate = 0.1 };
        for (int i = 0; i < clients; i++) _status.Report(new TrainTask(work, round, i, cohort, _model, _plan.TrainLayout, null));
    }

    private RoundReceipt Receipt(int round, bool committed) => new()
    {
        Run = _plan.Hash,
        Round = round,
        Committed = committed,
        Reason = "test",
        Opened = default,
        Closed = default,
        Wanted = 5,
        Clients = [],
        Contributors = 5,
        Weight = 5,
        Metrics = new Dictionary<string, double> { ["localAccuracy"] = round / 20.0, ["localLoss"] = 1.0 / round },
        BytesUp = 0,
        BytesDown = 0,
    };

    private string Drawn(int width = 80) => Draw(_status, width);

    private static string Draw(RunStatus status, int width)
    {
        using var output = new StringWriter();
        IAnsiConsole console = Console(output, AnsiSupport.No);
        console.Profile.Width = width;
        console.Write(status.Render(width));
        return output.ToString();
    }

    private static IAnsiConsole Console(StringWriter output, AnsiSupport ansi) =>
        AnsiConsole.Create(new AnsiConsoleSettings { Ansi = ansi, Out = new AnsiConsoleOutput(output), Interactive = InteractionSupport.Yes });

    private static RunPlan PlanFor(string name) => RunPlan.Create(
        new RunDefinition
        {
            Name = name,
            Model = new ModelSpec { Input = [3], Layers = [new LinearSpec { Outputs = 2 }], Loss = new MeanSquaredErrorSpec() },
            Strategy = new FedAvg(),
            Training = new TrainingPlan { LearningRate = 0.1 },
            Rounds = new RoundPolicy { Count = 20 },
        },
        Registry.CreateDefault());

    private sealed class ManualTime : TimeProvider
    {
        public TimeSpan Now { get; set; }

        public override long TimestampFrequency => TimeSpan.TicksPerSecond;

        public override long GetTimestamp() => Now.Ticks;
    }
}
