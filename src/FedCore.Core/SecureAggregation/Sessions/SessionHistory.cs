using FedCore.SecureAggregation.Messages;

namespace FedCore.SecureAggregation.Sessions;

/// <summary>
/// Which sessions a client has taken part in, so that none comes again: attempts at a round's sum only go up, and none follows one in which the client helped to unmask a
/// sum, since the difference of two sums over nearly the same clients shows the others.
/// </summary>
public class SessionHistory
{
    private const string Remedy = "Where the aggregator was set up anew, or restored from a copy, give the run another name.";

    private (int Round, int Attempt) _last;
    private int _revealed;

    /// <summary>A history.</summary>
    /// <param name="round">The round of the last session; 0 where there was none.</param>
    /// <param name="attempt">Its attempt.</param>
    /// <param name="revealed">The last round whose sum the client helped to unmask; 0 for none.</param>
    public SessionHistory(int round = 0, int attempt = 0, int revealed = 0) => (_last, _revealed) = ((round, attempt), revealed);

    /// <summary>Begins a session.</summary>
    /// <param name="terms">Its terms.</param>
    /// <param name="skipped">A check that a test leaves out.</param>
    /// <exception cref="SecureAggregationException">It is not newer than the last one (<c>secagg.replayed</c>), or the round's sum was unmasked (<c>secagg.retry</c>).</exception>
    internal void Begin(SessionTerms terms, SessionCheck? skipped)
    {
        RequireUnrevealed(terms, skipped);
        if ((terms.Round, terms.Attempt).CompareTo(_last) <= 0)
        {
            throw new SecureAggregationException(
                SecureAggregationCodes.Replayed, $"The session is attempt {terms.Attempt} of round {terms.Round}, but the client has taken part in attempt {_last.Attempt} of round {_last.Round}. {Remedy}");
        }

        Keep(terms.Round, terms.Attempt, _revealed);
        _last = (terms.Round, terms.Attempt);
    }

    /// <summary>Notes, before the client's shares leave, that it helps to unmask a sum.</summary>
    /// <param name="terms">The session's terms.</param>
    /// <param name="skipped">A check that a test leaves out.</param>
    /// <exception cref="SecureAggregationException">The round's sum was unmasked in another session (<c>secagg.retry</c>).</exception>
    internal void Reveal(SessionTerms terms, SessionCheck? skipped)
    {
        RequireUnrevealed(terms, skipped);
        Keep(_last.Round, _last.Attempt, terms.Round);
        _revealed = terms.Round;
    }

    private void RequireUnrevealed(SessionTerms terms, SessionCheck? skipped)
    {
        if (terms.Round <= _revealed && skipped != SessionCheck.NoRetry)
            throw new SecureAggregationException(SecureAggregationCodes.Retry, $"The client helped to unmask the sum of round {_revealed}, so it takes part in no other session of round {terms.Round}. {Remedy}");
    }

    /// <summary>Keeps the history where it outlasts the process, before it counts.</summary>
    /// <param name="round">The round of the last session.</param>
    /// <param name="attempt">Its attempt.</param>
    /// <param name="revealed">The last round whose sum the client helped to unmask.</param>
    protected virtual void Keep(int round, int attempt, int revealed)
    {
    }
}
