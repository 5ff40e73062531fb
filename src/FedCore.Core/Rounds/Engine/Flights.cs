namespace FedCore.Rounds.Engine;

/// <summary>
/// What is known of the open round's clients beyond the facts, in the order of the state's clients; between buffered rounds, of those who are at work. It is lost
/// with the process.
/// </summary>
internal sealed class Flights(ActiveRun run)
{
    private readonly List<Flight> _flights = [];
    private readonly Dictionary<SiteTask, int> _positions = new(ReferenceEqualityComparer.Instance);
    private ModelVersion? _version;

    public int Count => _flights.Count;

    public Flight this[int position] => _flights[position];

    public int? PositionOf(SiteTask task) => _positions.TryGetValue(task, out int position) ? position : null;

    public void Add(Flight flight)
    {
        _positions.Add(flight.Task, _flights.Count);
        _flights.Add(flight);
    }

    /// <summary>A copy of the present model for those who may still be at work when it has moved on; null where the run waits for all.</summary>
    public ModelVersion? PresentVersion() => run.IsBuffered ? _version ??= new ModelVersion(run.Server.Model.Clone(run.Options.Pool.Storage)) : null;

    /// <summary>Ends all flights but some, which move up. Who is asked from now on starts from a new copy of the model.</summary>
    public void Keep(IReadOnlyList<Flight> staying)
    {
        foreach (Flight flight in _flights.Except(staying)) flight.Version?.Release();
        _version?.Release();
        _version = null;
        _flights.Clear();
        _positions.Clear();
        foreach (Flight flight in staying) Add(flight);
    }

    public void Clear() => Keep([]);
}
