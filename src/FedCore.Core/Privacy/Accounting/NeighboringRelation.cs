namespace FedCore.Privacy.Accounting;

/// <summary>Which two data sets are neighbours: between which the bound says that they can hardly be told apart.</summary>
public enum NeighboringRelation
{
    /// <summary>
    /// One unit's contribution is there or is zero; the number of units is public. The relation of sums that are divided by a fixed number (Kairouz et al. 2021, "Practical and
    /// private (deep) learning without sampling or shuffling", definition 1.1). Its accounting is that of adding or removing a unit: the larger of the two directions.
    /// </summary>
    ZeroOut,

    /// <summary>One unit's contribution is another: a sum changes by up to twice the clip.</summary>
    ReplaceOne,
}
