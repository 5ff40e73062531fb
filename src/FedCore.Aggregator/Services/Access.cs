namespace FedCore.Aggregator.Services;

/// <summary>Who may make the calls of a service. It goes with the service's endpoints; without it they are for coordinators alone.</summary>
/// <param name="ForSites">Whether sites may.</param>
/// <param name="ForCoordinators">Whether coordinators may.</param>
internal sealed record Access(bool ForSites, bool ForCoordinators)
{
    public static Access Sites { get; } = new(ForSites: true, ForCoordinators: false);

    public static Access Coordinators { get; } = new(ForSites: false, ForCoordinators: true);

    public static Access Everybody { get; } = new(ForSites: true, ForCoordinators: true);
}
