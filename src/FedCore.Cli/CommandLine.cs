using System.CommandLine;
using System.CommandLine.Help;
using FedCore.Cli.Commands;

namespace FedCore.Cli;

/// <summary>The <c>fedcore</c> command: parses, runs, and turns faults into one message and an exit code.</summary>
internal static class CommandLine
{
    private const int Interrupted = 130;
    private const int Defect = 70;
    private const int MessageLength = 4000;

    /// <summary>Runs one command.</summary>
    /// <returns>0 ok, 2 usage, 3 configuration, 4 unreachable, 5 run failed, 70 a defect of FedCore, 130 interrupted.</returns>
    public static async Task<int> RunAsync(string[] args, TextWriter output, TextWriter error)
    {
        var root = new RootCommand("FedCore trains one model on data that never leaves its owners.")
        {
            DemoCommand.Create(output, error),
            SimulateCommand.Create(output, error),
            DataCommand.Create(output, error),
            SchemaCommand.Create(output),
            StrategiesCommand.Create(output),
            SecureAggregationCommand.Create(output, error),
            PrivacyCommand.Create(output),
            AggregatorCommand.Create(output, error),
            ClientCommand.Create(output),
            RunCommand.Create(output),
            ModelCommand.Create(output),
            SiteCommand.Create(output),
            FederationCommand.Create(output),
        };
        HelpOption help = root.Options.OfType<HelpOption>().Single();
        help.Action = new ExampleHelp((HelpAction)help.Action!);
        ParseResult parsed = root.Parse(args.Length == 0 ? ["--help"] : args);
        if (parsed.Errors.Count > 0)
        {
            // Of a mistyped command the parser also says that a command is missing.
            IEnumerable<string> messages = parsed.Errors.Select(fault => fault.Message).Distinct();
            if (parsed.UnmatchedTokens.Count > 0) messages = messages.Where(message => message.Contains('\'', StringComparison.Ordinal));
            foreach (string message in messages) await error.WriteLineAsync($"fedcore: {message}");
            await error.WriteLineAsync($"Try: {PathOf(parsed.CommandResult.Command)} --help");
            return (int)FaultKind.Usage;
        }

        bool isSimulation = parsed.CommandResult.Command.Name == "simulate";
        try
        {
            // How long a command may take to end when it is told to is its own business: a client's task may have a while yet.
            var invocation = new InvocationConfiguration { Output = output, Error = error, EnableDefaultExceptionHandler = false, ProcessTerminationTimeout = Timeout.InfiniteTimeSpan };
            return await parsed.InvokeAsync(invocation);
        }
        catch (FedCoreException fault)
        {
            await error.WriteLineAsync($"fedcore: {Shown.Of(fault.Message, MessageLength)}");
            return (int)fault.Kind;
        }
        catch (OperationCanceledException)
        {
            await error.WriteLineAsync("fedcore: interrupted.");
            return Interrupted;
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            await error.WriteLineAsync($"fedcore: {Shown.Of(fault.Message, MessageLength).TrimEnd('.')}. Check the path, its rights and the space that is left{(isSimulation ? "; a run in --out can go on with --resume" : "")}.");
            return (int)FaultKind.Configuration;
        }
        catch (OutOfMemoryException)
        {
            await error.WriteLineAsync("fedcore: there is not enough memory. Use a smaller model or batch, or fewer --threads.");
            return (int)FaultKind.Configuration;
        }
        catch (Exception fault)
        {
            // Nobody should see this; where somebody does, it must be something to report, and with FEDCORE_TRACE something to find it by.
            bool traces = Environment.GetEnvironmentVariable("FEDCORE_TRACE") is { Length: > 0 };
            await error.WriteLineAsync($"fedcore: a defect of FedCore: {(traces ? fault : $"{fault.GetType().Name}: {Shown.Of(fault.Message, MessageLength)}")}");
            await error.WriteLineAsync("Please report it with the command and its files. FEDCORE_TRACE=1 says where it is.");
            return Defect;
        }
    }

    private static string PathOf(Command command) =>
        command.Parents.OfType<Command>().FirstOrDefault() is { } parent ? $"{PathOf(parent)} {command.Name}" : "fedcore";
}
