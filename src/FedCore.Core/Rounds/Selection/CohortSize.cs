namespace FedCore.Rounds.Selection;

/// <summary>A cohort's size as a number or as a share of all clients, which several selections have.</summary>
internal static class CohortSize
{
    public static void Validate(string name, int? size, double? fraction, long population)
    {
        if (size is null == fraction is null)
            throw FedCoreException.Configuration("run.cohort", $"A {name} cohort needs either a \"size\" or a \"fraction\". Give one of the two.");
        if (fraction * population > Array.MaxLength)
            throw FedCoreException.Configuration("run.cohort", $"A cohort of {fraction} of {population} clients is too large. Use a smaller fraction, or a size.");
        if (size > population)
        {
            throw FedCoreException.Configuration(
                "run.cohort", $"The cohort's size is {size}, but there are {population} clients. Use a size of at most {population}, or \"type\": \"all\".");
        }
    }

    /// <summary>Refuses more clients than can be looked at one by one in every round.</summary>
    public static void ValidateScan(string name, long population)
    {
        const int most = 1_000_000;
        if (population > most)
            throw FedCoreException.Configuration("run.cohort", $"A {name} cohort looks at every client in every round, and there are {population}; at most {most} are supported. Use a uniform cohort.");
    }

    public static long Of(int? size, double? fraction, long population) => size ?? checked((int)Math.Max(1, Math.Round(fraction!.Value * population)));
}
