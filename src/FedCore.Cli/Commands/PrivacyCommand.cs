using System.CommandLine;

namespace FedCore.Cli.Commands;

/// <summary><c>fedcore privacy</c>: what differential privacy costs, and what it promises.</summary>
internal static class PrivacyCommand
{
    public static Command Create(TextWriter output) => new("privacy", "What noise promises, and what a promise costs.") { PrivacyEpsilonCommand.Create(output), PrivacyNoiseCommand.Create(output), PrivacyPlanCommand.Create(output), PrivacyLedgerCommand.Create(output) };
}
