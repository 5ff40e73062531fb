using FedCore.Numerics;
using FedCore.Rounds;
using FedCore.Rounds.Selection;

namespace FedCore.Core.Tests.Rounds;

/// <summary>Choosing among clients of whom nothing is known but how many there are.</summary>
internal static class Choosing
{
    public static Cohort Select(this ICohortSelection selection, long population, double overSelection, RandomStream random) =>
        selection.Select(new SelectionContext(new Numbered(population), random) { OverSelection = overSelection });

    internal sealed class Numbered(long count) : IClientDirectory
    {
        private static readonly ClientDescriptor Any = new(0, new ClientId("any"));

        /// <summary>Who is not there.</summary>
        public Func<long, bool> IsAway { get; init; } = _ => false;

        public long Count => count;

        public ClientDescriptor Get(long index) => IsAway(index) ? Any with { IsAway = true } : Any;
    }
}
