using System.Text.RegularExpressions;
using FedCore.Client.Connection;
using FedCore.Client.Telemetry;
using FedCore.Protocol.V1;
using Microsoft.Extensions.Logging;

namespace FedCore.Client.Tasks;

/// <summary>Says of tasks that this site does not do them, and once per run and reason why, in the log.</summary>
internal sealed partial class Declines(EdgeConnection connection, ILogger log)
{
    private const string Other = "client.failed";

    private readonly HashSet<(string Run, string Code)> _logged = [];

    /// <summary>Declines a task.</summary>
    /// <param name="offer">The task.</param>
    /// <param name="code">The reason code.</param>
    /// <param name="reason">The reason, for the log; it stays at the site.</param>
    /// <param name="ct">Cancels the call.</param>
    public async Task DeclineAsync(TaskOffer offer, string code, string reason, CancellationToken ct)
    {
        if (!ReasonPattern().IsMatch(code)) code = Other;
        if (_logged.Add((offer.RunId, code))) log.TaskDeclined(offer.RunId, offer.Round, code, reason);
        else log.TaskDeclinedAgain(offer.RunId, offer.Round, code);
        ClientMeter.Declined.Add(1, new KeyValuePair<string, object?>("error.type", code));
        await connection.DeclineTaskAsync(new DeclineRequest { TaskId = offer.TaskId, Reason = code }, ct).ConfigureAwait(false);
    }

    [GeneratedRegex(@"^[a-z0-9.-]{1,64}\z")]
    private static partial Regex ReasonPattern();
}
