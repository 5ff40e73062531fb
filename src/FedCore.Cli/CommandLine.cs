using System.CommandLine;
using System.CommandLine.Parsing;
using FedCore.Cli.Commands;

namespace FedCore.Cli;

/// <summary>The <c>fedcore</c> command: parses, runs, and turns faults into one message and an exit code.</summary>
internal static class CommandLine
{
    private const int Interrupted = 130;

    /// <summary>Runs one command.</summary>
    /// <returns>0 ok, 2 usage, 3 configuration, 4 unreachable, 5 run failed, 130 interrupted.</returns>
    public static async Task<int> RunAsync(string[] args, TextWriter output, TextWriter error)
    {
        var root = new RootCommand("FedCore trains one model on data that never leaves its owners.")
        {
            SimulateCommand.Create(output, error),
            DataCommand.Create(output, error),
            SchemaCommand.Create(output),
        };
        ParseResult parsed = root.Parse(args.Length == 0 ? ["--help"] : args);
        if (parsed.Errors.Count > 0)
        {
            foreach (ParseError fault in parsed.Errors) await error.WriteLineAsync($"fedcore: {fault.Message}");
            await error.WriteLineAsync($"Try: fedcore {string.Join(' ', parsed.CommandResult.Command == root ? [] : new[] { parsed.CommandResult.Command.Name })} --help".Replace("  ", " ", StringComparison.Ordinal));
            return (int)FaultKind.Usage;
        }

        try
        {
            var invocation = new InvocationConfiguration { Output = output, Error = error, EnableDefaultExceptionHandler = false };
            return await parsed.InvokeAsync(invocation);
        }
        catch (FedCoreException fault)
        {
            await error.WriteLineAsync($"fedcore: {fault.Message}");
            return (int)fault.Kind;
        }
        catch (OperationCanceledException)
        {
            await error.WriteLineAsync("fedcore: interrupted.");
            return Interrupted;
        }
    }
}
