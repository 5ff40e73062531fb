using System.Runtime.InteropServices;

namespace FedCore.Rounds.Selection;

/// <summary>Who took part in the rounds that count, and what is known of it. It holds those who were ever asked.</summary>
public sealed class ParticipationHistory
{
    private readonly Dictionary<long, Participation> _clients = [];

    /// <summary>How many clients were ever asked.</summary>
    public int Count => _clients.Count;

    /// <summary>A client's part in the run so far.</summary>
    /// <param name="client">Its index in the directory.</param>
    /// <returns>What is known; nothing of who was never asked.</returns>
    public Participation Of(long client) => _clients.GetValueOrDefault(client);

    /// <summary>Takes a round in.</summary>
    /// <param name="clients">Who was asked, in the order of the receipt.</param>
    /// <param name="receipt">The round's receipt.</param>
    internal void Add(IReadOnlyList<long> clients, RoundReceipt receipt)
    {
        for (int i = 0; i < receipt.Clients.Count; i++)
        {
            ClientReceipt client = receipt.Clients[i];
            ref Participation part = ref CollectionsMarshal.GetValueRefOrAddDefault(_clients, clients[i], out _);
            part = part with { Asked = part.Asked + 1, LastRound = receipt.Round, Seconds = client.Work?.Seconds ?? part.Seconds };
            if (client.Outcome != ClientOutcome.Reported) continue;
            part = part with { Reported = part.Reported + 1, Examples = client.Work?.Examples ?? part.Examples, Loss = client.Work?.Loss ?? part.Loss };
        }
    }

    /// <summary>Forgets everything.</summary>
    internal void Clear() => _clients.Clear();
}

/// <summary>A client's part in a run so far. Figures of single clients are there where the run discloses them.</summary>
/// <param name="Asked">In how many rounds it was asked.</param>
/// <param name="Reported">In how many it reported.</param>
/// <param name="LastRound">The last round in which it was asked; 0 for never.</param>
/// <param name="Seconds">How long its last answer took.</param>
/// <param name="Examples">How many examples it trained on the last time, passes included.</param>
/// <param name="Loss">Its mean loss while it trained the last time.</param>
public readonly record struct Participation(int Asked, int Reported, int LastRound, double? Seconds, double? Examples, double? Loss);
