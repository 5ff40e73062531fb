using System.Globalization;
using FedCore.Rounds;
using Spectre.Console;
using Spectre.Console.Rendering;

namespace FedCore.Cli.Display;

/// <summary>What is known of a run that goes on, and the panel that shows it. Facts come from one thread, finished clients from several, drawings from another.</summary>
/// <param name="plan">The run.</param>
/// <param name="clock">The clock.</param>
/// <param name="areReal">Whether clients have trained when they answer; simulated ones train when the round has closed.</param>
internal sealed class RunStatus(RunPlan plan, TimeProvider clock, bool areReal = false) : IProgress<RunEvent>, IProgress<SiteTask>
{
    private const string Bars = "▁▂▃▄▅▆▇█";
    private const int SparkLength = 40, BarLength = 30, LeastBar = 10, Frame = 4, Gap = 2;
    private const int LeastWidth = 12, MostWidth = 90;

    private readonly Lock _lock = new();
    private readonly SortedDictionary<string, List<double>> _metrics = new(StringComparer.Ordinal);
    private long _start = clock.GetTimestamp();
    private string _status = "";
    private bool _isClosed;
    private int _round, _first, _answered, _reported, _cohort, _abandoned;

    // Counted without the lock, by the threads that train.
    private int _trained, _evaluated, _evaluating;

    /// <summary>Says what goes on before the first round.</summary>
    public void Say(string what)
    {
        lock (_lock) _status = what;
    }

    public void Report(RunEvent value)
    {
        lock (_lock)
        {
            switch (value)
            {
                case RoundOpened opened:
                    (_round, _cohort, _answered, _reported, _trained, _isClosed, _status) = (opened.Round, opened.Cohort.Count, 0, 0, 0, false, "");
                    if (_first == 0) (_first, _start) = (_round, clock.GetTimestamp());
                    break;
                case ClientAsked:
                    _cohort++;
                    break;
                case ReplyTaken reply when !_isClosed:
                    // Behind the closing a reply is only taken back.
                    _answered++;
                    if (reply.Outcome == ClientOutcome.Reported) _reported++;
                    break;
                case SetClosed:
                    _isClosed = true;
                    break;
                case RoundEnded ended:
                    if (!ended.Receipt.Committed) _abandoned++;
                    Add(ended.Receipt.Metrics);
                    (_evaluated, _evaluating) = (0, 0);
                    if (plan.IsEvaluated(ended.Receipt.Round)) _status = "evaluating";
                    break;
                case EvaluationEnded evaluation:
                    Add(evaluation.Receipt.Metrics);
                    break;
            }
        }
    }

    public void Report(SiteTask value)
    {
        if (value is TrainTask) Interlocked.Increment(ref _trained);
        else
        {
            _evaluating = value.CohortSize;
            Interlocked.Increment(ref _evaluated);
        }
    }

    /// <summary>Draws the panel.</summary>
    /// <param name="width">Columns of the terminal.</param>
    public Panel Render(int width)
    {
        // As wide all the time, so that the frame stands still.
        int outer = Math.Clamp(width, LeastWidth, MostWidth), inner = outer - Frame;
        lock (_lock)
        {
            List<IRenderable> lines = [new Text(Sentence())];
            if (_round > 0) lines.Add(Progress(inner));
            if (_metrics.Count > 0) lines.Add(Metrics(inner));
            return new Panel(new Rows(lines)) { Header = new PanelHeader($" {Markup.Escape(Shown.Of(plan.Definition.Name))} "), Border = BoxBorder.Rounded, Width = outer };
        }
    }

    private string Sentence()
    {
        if (_round == 0) return Shown.Of(_status);
        string what = _status.Length > 0
            ? _evaluating > 0 ? $"{_evaluated} of {_evaluating} clients evaluated" : _status
            : _isClosed && !areReal ? $"{_trained} of {_reported} clients trained" : $"{_answered} of {_cohort} clients answered";
        return $"round {_round} of {plan.Definition.Rounds.Count}: {what}{(_abandoned > 0 ? $" · {_abandoned} rounds abandoned" : "")}";
    }

    private Markup Progress(int width)
    {
        int count = plan.Definition.Rounds.Count, done = _round - _first;
        double inRound = _status.Length > 0 ? 1 : _isClosed && _reported > 0 ? Math.Min(1, _trained / (double)_reported) : 0;
        TimeSpan elapsed = clock.GetElapsedTime(_start);
        string time = elapsed.ToString("hh\\:mm\\:ss", CultureInfo.InvariantCulture);
        if (done > 0 && elapsed / (done + inRound) * (count - _round + 1 - inRound) is var left)
        {
            string withLeft = $"{time} · about {left.ToString("hh\\:mm\\:ss", CultureInfo.InvariantCulture)} left";
            if (withLeft.Length + LeastBar < width) time = withLeft;
        }

        int length = Math.Clamp(width - time.Length - 1, 0, BarLength), full = (int)(length * (_round - 1 + inRound) / count);
        return new Markup($"[blue]{new string('━', full)}[/][grey]{new string('━', length - full)}[/]{(length > 0 ? " " : "")}{time}");
    }

    private Grid Metrics(int width)
    {
        (string Name, string Value, List<double> Values)[] rows =
            [.. _metrics.Select(metric => (Shown.Of(metric.Key), metric.Value[^1].ToString("0.0000", CultureInfo.InvariantCulture), metric.Value))];
        int left = width - rows.Max(row => row.Name.Length) - rows.Max(row => row.Value.Length) - 3 * Gap;
        Grid grid = new Grid().AddColumn(new GridColumn().NoWrap()).AddColumn(new GridColumn().NoWrap()).AddColumn(new GridColumn().NoWrap());
        foreach ((string name, string value, List<double> values) in rows)
            grid.AddRow(new Text(name), new Text(value), new Text(Spark(values, Math.Clamp(left, 0, SparkLength)), new Style(Color.Blue)));
        return grid;
    }

    private void Add(IReadOnlyDictionary<string, double> metrics)
    {
        foreach ((string name, double value) in metrics)
        {
            if (!_metrics.TryGetValue(name, out List<double>? values)) _metrics[name] = values = [];
            values.Add(value);
        }
    }

    private static string Spark(List<double> values, int length)
    {
        double[] shown = [.. values.TakeLast(length).Where(double.IsFinite)];
        if (shown.Length == 0) return "";
        double low = shown.Min(), range = Math.Max(shown.Max() - low, 1e-12);
        return string.Concat(shown.Select(value => Bars[(int)Math.Min(Bars.Length - 1, (value - low) / range * Bars.Length)]));
    }
}
