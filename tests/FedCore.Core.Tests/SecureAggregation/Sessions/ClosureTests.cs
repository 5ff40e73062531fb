using FedCore.SecureAggregation;
using FedCore.SecureAggregation.Graphs;
using FedCore.SecureAggregation.Messages;
using FedCore.SecureAggregation.Sessions;

namespace FedCore.Core.Tests.SecureAggregation.Sessions;

/// <summary>
/// What an adversary derives of honest clients: nothing but the sum, as long as every check is there; and with any of them left out, one client's input, or the sum of fewer than may be.
/// </summary>
public class ClosureTests
{
    private const string Victim = "site0000";

    // Seven clients, a threshold of five: four are the adversary's, and two vanish behind their masked inputs or before.
    [Theory]
    [InlineData(0, false)]
    [InlineData(1, false)]
    [InlineData(1, true)]
    [InlineData(2, false)]
    [InlineData(2, true)]
    public void From_the_transcript_and_the_secrets_of_one_less_than_a_threshold_nothing_follows(int lost, bool isAfterMasking)
    {
        using var federation = new Federation(7, Limits(dropout: 2 / 7.0));
        SessionTerms terms = federation.Terms();
        Assert.Equal(5, terms.Graph.Threshold);
        string[] honest = [.. federation.Names.Take(3)], gone = [.. honest.TakeLast(lost)];
        var session = new HostileSession(federation, terms, honest, Accomplices(federation, terms, 4));
        session.Share();
        session.Mask(clients: isAfterMasking ? honest : honest.Except(gone));
        session.Finish(gone);
        Assert.Empty(session.Refusals);
        var solver = new Solver();
        solver.Learn(session);

        // Where all other honest clients are lost, the sum of the honest is the last one's input: that is what the minimum cohort is for.
        foreach (string name in lost == 2 ? gone : honest) Assert.Null(solver.SumOf([name], federation.Encoding.Bits));
    }

    [Fact]
    public void With_a_threshold_of_accomplices_the_solver_derives_the_input()
    {
        using var federation = new Federation(7, Limits(dropout: 2 / 7.0));
        SessionTerms terms = federation.Terms();
        var session = new HostileSession(federation, terms, federation.Names.Take(2), Accomplices(federation, terms, 5));
        session.Share();
        session.Mask();
        var solver = new Solver();
        solver.Learn(session);
        Assert.Equal(Expected(federation, Victim), solver.SumOf([Victim], federation.Encoding.Bits));
    }

    [Theory]
    [InlineData(nameof(SessionCheck.Assignment), SecureAggregationCodes.Assignment)]
    [InlineData(nameof(SessionCheck.Signatures), SecureAggregationCodes.Signature)]
    [InlineData(nameof(SessionCheck.Roster), SecureAggregationCodes.Roster)]
    [InlineData(nameof(SessionCheck.Uniqueness), SecureAggregationCodes.Duplicate)]
    [InlineData(nameof(SessionCheck.MinimumCohort), SecureAggregationCodes.Cohort)]
    [InlineData(nameof(SessionCheck.Parameters), SecureAggregationCodes.Parameters)]
    [InlineData(nameof(SessionCheck.NoRetry), SecureAggregationCodes.Retry)]
    [InlineData(nameof(SessionCheck.EnoughShares), SecureAggregationCodes.Shares)]
    [InlineData(nameof(SessionCheck.OneMaskedInput), SecureAggregationCodes.Repeated)]
    [InlineData(nameof(SessionCheck.EnoughSurvivors), SecureAggregationCodes.Survivors)]
    [InlineData(nameof(SessionCheck.OneConfirmation), SecureAggregationCodes.Repeated)]
    [InlineData(nameof(SessionCheck.Consistency), SecureAggregationCodes.Consistency)]
    [InlineData(nameof(SessionCheck.OneSecret), SecureAggregationCodes.BothSecrets)]
    public void Each_check_alone_keeps_the_input_from_the_adversary(string name, string code)
    {
        SessionCheck check = Enum.Parse<SessionCheck>(name);
        (IReadOnlyCollection<string> refusals, uint[]? derived, _) = Attack(check, skipped: null);
        Assert.Contains(code, refusals);
        Assert.Null(derived);
        (_, derived, uint[] expected) = Attack(check, skipped: check);
        Assert.Equal(expected, derived);
    }

    // A hundred clients, sixteen neighbours, a threshold of eleven, and five accomplices, as many as the rule withstands, whom the aggregator has put beside one client. Of its eleven honest neighbours
    // some are told that it survived and some that it is lost, and even the check for that is left out: five of them and six are enough for one secret and not for the other. They would be for
    // both, if a client's own share, or its own signature, counted in a sparse graph.
    [Theory]
    [InlineData(5)]
    [InlineData(6)]
    public void In_a_sparse_graph_with_as_many_accomplices_as_may_be_a_split_view_gives_one_secret(int toldAlive)
    {
        using var federation = new Federation(100, new ClientLimits { AdversarialRate = 0.05, MaximumDropout = 0.05, MinimumCohort = 3 });
        SessionTerms terms = federation.Terms(dropout: 0.05);
        Assert.Equal(new GraphParameters(16, 11), terms.Graph);
        var session = new HostileSession(federation, terms, federation.Names.Take(95), [], SessionCheck.Consistency);
        int[] neighbours = [];
        session.Grind(() => Accomplices(federation, terms, 5), list =>
        {
            if (list.Members.Count < 100) return false;
            neighbours = list.Graph(terms).NeighboursOf(0);
            return neighbours.Count(member => member >= 95) == 5;
        });
        session.Share();
        session.Mask();
        MemberSet all = session.SetOf(federation.Names), without = session.SetOf(federation.Names.Skip(1));
        string[] honest = [.. neighbours.Where(member => member < 95).Select(member => federation.Names[member])];
        foreach (string name in honest.Take(toldAlive))
        {
            session.Confirm(name, all);
            session.Unmask(name, all, [Victim], []);
        }

        foreach (string name in honest.Skip(toldAlive))
        {
            session.Confirm(name, without);
            session.Unmask(name, without, [], [Victim]);
        }

        Assert.Empty(session.Refusals);
        int secrets = session.Views[0].Shares.Where(share => share.Key.Owner == 0).GroupBy(share => share.Key.IsMaskKey).Count(shares => shares.Count() >= terms.Graph.Threshold);
        Assert.Equal(1, secrets);
        var solver = new Solver();
        solver.Learn(session);
        Assert.Null(solver.SumOf([Victim], federation.Encoding.Bits));

        // The client has no share of its own to give.
        session.Confirm(Victim, all);
        session.Unmask(Victim, all, [Victim], []);
        Assert.Equal(SecureAggregationCodes.Stranger, session.Refusals[Victim]);
    }

    [Fact]
    public void Every_check_has_an_attack() => Assert.Equal(
        Enum.GetNames<SessionCheck>().Order(),
        typeof(ClosureTests).GetMethod(nameof(Each_check_alone_keeps_the_input_from_the_adversary))!
            .GetCustomAttributes(typeof(InlineDataAttribute), false).Cast<InlineDataAttribute>().Select(data => (string)data.Data[0]!).Order());

    private static (IReadOnlyCollection<string> Refusals, uint[]? Derived, uint[] Expected) Attack(SessionCheck check, SessionCheck? skipped)
    {
        (Federation federation, HostileSession[] sessions) = check switch
        {
            SessionCheck.Assignment => OthersWithOtherWork(skipped),
            SessionCheck.Signatures => Alone(skipped, 4, 0, Impersonate),
            SessionCheck.Roster => Alone(skipped, 4, 0, (federation, terms) => [.. Enumerable.Range(0, 3).Select(i => new Accomplice($"unknown{i}", null, terms))]),
            SessionCheck.Uniqueness => Alone(skipped, 4, 3, (federation, terms) => [.. Enumerable.Repeat(new Accomplice("site0001", federation.KeyOf("site0001"), terms), 3)]),
            SessionCheck.MinimumCohort => Alone(skipped, 5, 5, (federation, terms) => Accomplices(federation, terms, 3), invited: 4),
            SessionCheck.Parameters => LowThreshold(skipped),
            SessionCheck.NoRetry => SumsOfNearlyTheSame(skipped),
            SessionCheck.EnoughShares => MaskedAgainstAccomplices(skipped),
            SessionCheck.OneMaskedInput => MaskedAgain(skipped),
            SessionCheck.EnoughSurvivors => FewSurvivors(skipped),
            SessionCheck.OneConfirmation => DifferentSurvivors(skipped, 2, [[1, 2], [2, 3], [1, 3], [1, 2], [1, 3]], allSignAll: true),
            SessionCheck.Consistency => DifferentSurvivors(skipped, 3, [[1, 2, 3], [2, 3, 4], [1, 3, 4], [1, 2, 4], [1, 2, 3]], allSignAll: false),
            SessionCheck.OneSecret => BothSecrets(skipped),
            _ => throw new ArgumentOutOfRangeException(nameof(check)),
        };
        using (federation)
        {
            var solver = new Solver();
            foreach (HostileSession session in sessions) solver.Learn(session);
            if (check == SessionCheck.Assignment)
                foreach (string other in federation.Names.Skip(1)) solver.Know(other, federation.InputOf(other).Words);
            string[] victims = check switch { SessionCheck.NoRetry => ["site0004"], SessionCheck.OneConfirmation => [Victim, "site0004"], _ => [Victim] };
            return ([.. sessions.SelectMany(session => session.Refusals.Values)], solver.SumOf(victims, federation.Encoding.Bits), Expected(federation, victims));
        }
    }

    // The victim alone among accomplices, who hold all shares of its secrets and know all masks against it.
    private static (Federation, HostileSession[]) Alone(
        SessionCheck? skipped, int clients, int minimum, Func<Federation, SessionTerms, Accomplice[]> accomplices, int? invited = null)
    {
        var federation = new Federation(clients, Limits(minimum: Math.Max(2, minimum), dropout: 0.34));
        SessionTerms terms = federation.Terms() with { MinimumCohort = 2 };
        if (invited is { } fewer) terms = terms with { Invited = fewer, Graph = new GraphParameters(fewer - 1, 2 * fewer / 3 + 1) };
        else terms = terms with { MinimumCohort = Math.Max(2, minimum) };
        var session = new HostileSession(federation, terms, [Victim], accomplices(federation, terms), skipped);
        session.Share();
        session.Mask();
        return (federation, [session]);
    }

    // Nobody but the victim was given the model and the work that the session is about: what came of the others' is known beforehand.
    private static (Federation, HostileSession[]) OthersWithOtherWork(SessionCheck? skipped)
    {
        var federation = new Federation(4, Limits(dropout: 0.25));
        var session = new HostileSession(federation, federation.Terms(), federation.Names, [], skipped, given: name => name == Victim ? null : new byte[SessionTerms.HashLength]);
        session.Share();
        session.Mask();
        if (session.Refusals.Count == 0) session.Finish();
        return (federation, [session]);
    }

    // They have the names of honest clients, but not their keys.
    private static Accomplice[] Impersonate(Federation federation, SessionTerms terms) => [.. federation.Names.Skip(1).Select(name => new Accomplice(name, null, terms))];

    // Two shares instead of four recover a secret, and two of five clients are the adversary's.
    private static (Federation, HostileSession[]) LowThreshold(SessionCheck? skipped)
    {
        var federation = new Federation(5, Limits(dropout: 0.2));
        SessionTerms terms = federation.Terms() with { Graph = new GraphParameters(4, 2) };
        var session = new HostileSession(federation, terms, federation.Names.Take(3), Accomplices(federation, terms, 2), skipped);
        session.Share();
        session.Mask();
        return (federation, [session]);
    }

    // The sum of all, and then that of all but one.
    private static (Federation, HostileSession[]) SumsOfNearlyTheSame(SessionCheck? skipped)
    {
        var federation = new Federation(5, Limits(dropout: 0.2));
        Dictionary<string, SessionHistory> histories = federation.Names.ToDictionary(name => name, _ => new SessionHistory());
        var first = new HostileSession(federation, federation.Terms(), federation.Names, [], skipped, histories);
        first.Share();
        first.Mask();
        first.Finish();
        var second = new HostileSession(federation, federation.Terms(attempt: 2), federation.Names.Take(4), [], skipped, histories);
        second.Share();
        second.Mask();
        if (second.Views.Count > 0) second.Finish();
        return (federation, [first, second]);
    }

    // Only the accomplices' shares arrive at the victim, so that it masks against them alone.
    private static (Federation, HostileSession[]) MaskedAgainstAccomplices(SessionCheck? skipped)
    {
        var federation = new Federation(5, Limits(dropout: 0.2));
        SessionTerms terms = federation.Terms();
        var session = new HostileSession(federation, terms, federation.Names.Take(3), Accomplices(federation, terms, 2), skipped);
        session.Share();
        session.Mask((name, from) => name != Victim || from >= 3);
        session.Finish();
        return (federation, [session]);
    }

    // The victim masks its input once more without one neighbour, and once more without another.
    private static (Federation, HostileSession[]) MaskedAgain(SessionCheck? skipped)
    {
        var federation = new Federation(5, Limits(dropout: 0.2));
        SessionTerms terms = federation.Terms();
        var session = new HostileSession(federation, terms, federation.Names.Take(3), Accomplices(federation, terms, 2), skipped);
        session.Share();
        session.Mask();
        session.Mask((_, from) => from != 1, clients: [Victim]);
        session.Mask((_, from) => from != 2, clients: [Victim]);
        session.Finish();
        return (federation, [session]);
    }

    // All honest clients but the victim are said to be lost.
    private static (Federation, HostileSession[]) FewSurvivors(SessionCheck? skipped)
    {
        var federation = new Federation(7, Limits(dropout: 1 / 7.0));
        SessionTerms terms = federation.Terms(dropout: 1 / 7.0);
        var session = new HostileSession(federation, terms, federation.Names.Take(3), Accomplices(federation, terms, 4), skipped);
        session.Share();
        session.Mask();
        string[] survivors = [Victim, .. session.Accomplices.Select(accomplice => accomplice.Name)];
        session.Confirm(Victim, session.SetOf(survivors));
        session.Unmask(Victim, session.SetOf(survivors), survivors, ["site0001", "site0002"]);
        return (federation, [session]);
    }

    // Every honest client is told of other survivors, as many short of all as may be: of each of the others but the victim (and, where all sign all sets, one more) enough are told that it is lost.
    private static (Federation, HostileSession[]) DifferentSurvivors(SessionCheck? skipped, int most, int[][] lost, bool allSignAll)
    {
        var federation = new Federation(9, Limits(dropout: most / 9.0));
        SessionTerms terms = federation.Terms(dropout: 2 / 9.0) with { MaximumDropout = most / 9.0 };
        Assert.Equal(7, terms.Graph.Threshold);
        var session = new HostileSession(federation, terms, federation.Names.Take(5), Accomplices(federation, terms, 4), skipped);
        session.Share();
        session.Mask();
        string[][] told = [.. lost.Select(some => federation.Names.Where((_, i) => !some.Contains(i)).ToArray())];
        for (int client = 0; client < 5; client++)
        {
            if (allSignAll)
                foreach (string[] set in told.Where(set => set.Contains(federation.Names[client]))) session.Confirm(federation.Names[client], session.SetOf(set));
            session.Confirm(federation.Names[client], session.SetOf(told[client]));
        }

        for (int client = 0; client < 5; client++)
            session.Unmask(federation.Names[client], session.SetOf(told[client]), told[client], federation.Names.Except(told[client]));
        return (federation, [session]);
    }

    private static (Federation, HostileSession[]) BothSecrets(SessionCheck? skipped)
    {
        var federation = new Federation(7, Limits(dropout: 1 / 7.0));
        SessionTerms terms = federation.Terms(dropout: 1 / 7.0);
        var session = new HostileSession(federation, terms, federation.Names.Take(3), Accomplices(federation, terms, 4), skipped);
        session.Share();
        session.Mask();
        MemberSet all = session.SetOf(federation.Names);
        foreach (string name in federation.Names.Take(3)) session.Confirm(name, all);
        session.Unmask("site0001", all, [Victim], [Victim]);
        return (federation, [session]);
    }

    private static Accomplice[] Accomplices(Federation federation, SessionTerms terms, int count) => [.. federation.Names.TakeLast(count).Select(name => new Accomplice(name, federation.KeyOf(name), terms))];

    private static ClientLimits Limits(double dropout, int minimum = 3) => new() { AdversarialRate = 0, MaximumDropout = dropout, MinimumCohort = minimum };

    private static uint[] Expected(Federation federation, params string[] names) => [.. Enumerable.Range(0, Federation.VectorLength)
        .Select(i => names.Aggregate(0u, (sum, name) => sum + federation.InputOf(name).Words[i]) & (uint.MaxValue >> (32 - federation.Encoding.Bits)))];
}
