using System.Globalization;
using FedCore.Rounds;
using Spectre.Console;

namespace FedCore.Cli.Display;

/// <summary>Shows a run while it goes on, on a terminal; elsewhere it shows nothing.</summary>
internal abstract class RunDisplay : IProgress<RunEvent>, IDisposable
{
    public static RunDisplay Create(RunPlan plan, bool isQuiet, TextWriter output) =>
        isQuiet || Console.IsOutputRedirected || output != Console.Out ? new Silent() : new Terminal(plan);

    /// <summary>Says what goes on before the first round.</summary>
    public abstract void Say(string what);

    public abstract void Report(RunEvent value);

    public abstract void Dispose();

    private sealed class Silent : RunDisplay
    {
        public override void Say(string what)
        {
        }

        public override void Report(RunEvent value)
        {
        }

        public override void Dispose()
        {
        }
    }

    /// <summary>A panel that is redrawn a few times a second.</summary>
    private sealed class Terminal : RunDisplay
    {
        private const string Bars = "▁▂▃▄▅▆▇█";
        private const int SparkLength = 40;
        private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(100);

        private readonly RunPlan _plan;
        private readonly TimeProvider _clock = TimeProvider.System;
        private long _start;
        private readonly SortedDictionary<string, List<double>> _metrics = new(StringComparer.Ordinal);
        private readonly TaskCompletionSource _ended = new();
        private readonly Task _live;
        private LiveDisplayContext? _context;
        private long _drawn;
        private string _status = "";
        private int _round, _first, _replies, _cohort, _abandoned;

        public Terminal(RunPlan plan)
        {
            _plan = plan;
            _start = _clock.GetTimestamp();
            _live = AnsiConsole.Live(new Text("")).AutoClear(true).StartAsync(async context =>
            {
                _context = context;
                await _ended.Task;
            });
        }

        public override void Say(string what)
        {
            _status = what;
            Draw();
        }

        public override void Report(RunEvent value)
        {
            switch (value)
            {
                case RoundOpened opened:
                    (_round, _replies, _cohort, _status) = (opened.Round, 0, opened.Cohort.Count, "training");
                    if (_first == 0) (_first, _start) = (_round, _clock.GetTimestamp());
                    break;
                case ReplyTaken:
                    _replies++;
                    break;
                case RoundEnded ended:
                    if (!ended.Receipt.Committed) _abandoned++;
                    Add(ended.Receipt.Metrics);
                    _status = _plan.IsEvaluated(ended.Receipt.Round) ? "evaluating" : "training";
                    break;
                case EvaluationEnded evaluation:
                    Add(evaluation.Receipt.Metrics);
                    break;
            }

            if (_clock.GetElapsedTime(_drawn) < Interval) return;
            Draw();
        }

        public override void Dispose()
        {
            if (!_ended.TrySetResult()) return;
            _live.GetAwaiter().GetResult();
        }

        private void Add(IReadOnlyDictionary<string, double> metrics)
        {
            foreach ((string name, double value) in metrics)
            {
                if (!_metrics.TryGetValue(name, out List<double>? values)) _metrics[name] = values = [];
                values.Add(value);
            }
        }

        private void Draw()
        {
            _drawn = _clock.GetTimestamp();
            _context?.UpdateTarget(Render());
            _context?.Refresh();
        }

        private Panel Render()
        {
            int count = _plan.Definition.Rounds.Count;
            TimeSpan elapsed = _clock.GetElapsedTime(_start);
            int done = _round - _first;
            string left = done > 0 ? $" · about {elapsed / done * (count - _round + 1):hh\\:mm\\:ss} left" : "";
            var grid = new Grid().AddColumn(new GridColumn().NoWrap()).AddColumn(new GridColumn().NoWrap()).AddColumn();
            int width = 30, full = (int)((long)width * Math.Max(0, _round - 1) / count);
            grid.AddRow(new Text("round"), new Text($"{_round} of {count}"), new Markup($"[blue]{new string('━', full)}[/][grey]{new string('━', width - full)}[/] {elapsed:hh\\:mm\\:ss}{left}"));
            grid.AddRow(new Text("now"), new Text(_status), new Text(_cohort == 0 ? "" : $"{_replies} of {_cohort} clients answered{(_abandoned > 0 ? $" · {_abandoned} rounds abandoned" : "")}"));
            foreach ((string name, List<double> values) in _metrics)
                grid.AddRow(new Text(name), new Text(values[^1].ToString("0.0000", CultureInfo.InvariantCulture)), new Text(Spark(values), new Style(Color.Blue)));
            return new Panel(grid) { Header = new PanelHeader($" {Markup.Escape(_plan.Definition.Name)} "), Border = BoxBorder.Rounded };
        }

        private static string Spark(List<double> values)
        {
            double[] shown = [.. values.TakeLast(SparkLength).Where(double.IsFinite)];
            if (shown.Length == 0) return "";
            double low = shown.Min(), range = Math.Max(shown.Max() - low, 1e-12);
            return string.Concat(shown.Select(value => Bars[(int)Math.Min(Bars.Length - 1, (value - low) / range * Bars.Length)]));
        }
    }
}
