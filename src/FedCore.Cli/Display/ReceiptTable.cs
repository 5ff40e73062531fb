using System.Globalization;
using FedCore.Rounds;

namespace FedCore.Cli.Display;

/// <summary>The receipts of a run's rounds, as a table for a person.</summary>
internal static class ReceiptTable
{
    private const int MaxRows = 5;

    public static void Write(TextWriter output, RunState state, string path)
    {
        output.WriteLine($"\n  Receipts: who was asked, who is in the sum, who was left out and why.{(state.Rounds.Count > MaxRows ? $" The last {MaxRows} of {state.Rounds.Count}:" : "")}\n");
        using var table = new StringWriter(CultureInfo.InvariantCulture);
        TextTable.Write(
            table, ["round", "in the sum", "left out", "weight", "from clients", "to clients"],
            state.Rounds.TakeLast(MaxRows).Select(round => (string[])
            [
                $"{round.Round}",
                Join(round.Clients.Where(client => round.Committed && client.Outcome == ClientOutcome.Reported).Select(client => Shown.Of(client.Client))),
                Join(round.Clients.Where(client => !round.Committed || client.Outcome != ClientOutcome.Reported).Select(client => $"{Shown.Of(client.Client)} ({Shown.Of(client.Reason ?? round.Reason)})")),
                round.Weight.ToString(round.Weight < 100 ? "0.###" : "N0", CultureInfo.InvariantCulture),
                $"{round.BytesUp:N0} B",
                $"{round.BytesDown:N0} B",
            ]),
            "none");
        foreach (string line in table.ToString().TrimEnd().Split(Environment.NewLine)) output.WriteLine("  " + line);
        output.WriteLine($"\n  All of them: {Shown.Of(path, 4000)}");
    }

    private static string Join(IEnumerable<string> names) => string.Join(", ", names) is { Length: > 0 } joined ? joined : "–";
}
