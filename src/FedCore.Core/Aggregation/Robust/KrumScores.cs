namespace FedCore.Aggregation.Robust;

/// <summary>
/// How far updates are from their nearest neighbours: the score of one among n is the sum of the squared distances to the n - f - 2 nearest (Blanchard et al. 2017,
/// section 4), of which there is at least one.
/// </summary>
internal sealed class KrumScores
{
    private readonly double[,] _distances;

    // Of each update all others, the nearest first.
    private readonly int[][] _neighbours;
    private readonly bool[] _isOut;
    private int _left;

    /// <param name="distances">The squared distances between the updates.</param>
    /// <param name="byzantine">The number f of updates that may be anything.</param>
    public KrumScores(double[,] distances, int byzantine)
    {
        (_distances, Byzantine, Count) = (distances, byzantine, distances.GetLength(0));
        (_isOut, _left) = (new bool[Count], Count);
        _neighbours = [.. Enumerable.Range(0, Count).Select(own => Enumerable.Range(0, Count).Where(other => other != own).OrderBy(other => distances[own, other]).ToArray())];
    }

    /// <summary>How many updates there are.</summary>
    public int Count { get; }

    /// <summary>The number f.</summary>
    public int Byzantine { get; }

    /// <summary>The updates, the best first; of equal ones the first in the cohort.</summary>
    public int[] Ranking() => [.. Enumerable.Range(0, Count).Where(update => !_isOut[update]).OrderBy(ScoreOf)];

    /// <summary>Takes the best one out: the others' scores are then among the rest.</summary>
    /// <returns>The update.</returns>
    public int TakeBest()
    {
        int best = Ranking()[0];
        _isOut[best] = true;
        _left--;
        return best;
    }

    private double ScoreOf(int update)
    {
        int wanted = Math.Max(1, _left - Byzantine - 2);
        double score = 0;
        foreach (int other in _neighbours[update])
        {
            if (_isOut[other]) continue;
            score += _distances[update, other];
            if (--wanted == 0) break;
        }

        return score;
    }
}
