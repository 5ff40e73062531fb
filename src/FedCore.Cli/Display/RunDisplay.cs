using FedCore.Rounds;
using Spectre.Console;

namespace FedCore.Cli.Display;

/// <summary>Shows a run while it goes on, on a terminal that can redraw; elsewhere it shows nothing.</summary>
internal abstract class RunDisplay : IProgress<RunEvent>, IProgress<SiteTask>, IDisposable
{
    /// <summary>A display of a run where standard output is a terminal.</summary>
    /// <param name="plan">The run.</param>
    /// <param name="isQuiet">Whether to show nothing.</param>
    /// <param name="output">Where the command writes to.</param>
    /// <param name="areReal">Whether clients have trained when they answer; simulated ones train when the round has closed.</param>
    public static RunDisplay Create(RunPlan plan, bool isQuiet, TextWriter output, bool areReal = false) =>
        isQuiet || Console.IsOutputRedirected || output != Console.Out ? new Silent() : On(AnsiConsole.Console, plan, areReal);

    /// <summary>A display on a terminal; a silent one where the terminal could only append one picture to the other.</summary>
    public static RunDisplay On(IAnsiConsole console, RunPlan plan, bool areReal = false) => console.Profile.Capabilities.Ansi ? new Terminal(console, plan, areReal) : new Silent();

    /// <summary>Whether it shows anything.</summary>
    public bool IsLive => this is Terminal;

    /// <summary>Says what goes on before the first round.</summary>
    public abstract void Say(string what);

    public abstract void Report(RunEvent value);

    public abstract void Report(SiteTask value);

    public abstract void Dispose();

    private sealed class Silent : RunDisplay
    {
        public override void Say(string what)
        {
        }

        public override void Report(RunEvent value)
        {
        }

        public override void Report(SiteTask value)
        {
        }

        public override void Dispose()
        {
        }
    }

    /// <summary>A panel that is redrawn a few times a second by a thread of its own, so that time moves while clients train.</summary>
    private sealed class Terminal : RunDisplay
    {
        private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(150);

        private readonly RunStatus _status;
        private readonly ManualResetEventSlim _ended = new();
        private readonly Task _live;

        public Terminal(IAnsiConsole console, RunPlan plan, bool areReal)
        {
            _status = new RunStatus(plan, TimeProvider.System, areReal);
            _live = Task.Factory.StartNew(
                () => console.Live(new Text("")).AutoClear(true).Start(context =>
                {
                    do
                    {
                        context.UpdateTarget(_status.Render(console.Profile.Width));
                    }
                    while (!_ended.Wait(Interval));
                }),
                CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
        }

        public override void Say(string what) => _status.Say(what);

        public override void Report(RunEvent value) => _status.Report(value);

        public override void Report(SiteTask value) => _status.Report(value);

        public override void Dispose()
        {
            _ended.Set();
            _live.GetAwaiter().GetResult();
        }
    }
}
