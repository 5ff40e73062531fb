using FedCore.Models;
using FedCore.Rounds;
using FedCore.Training.Data;
using FedCore.Training.Partitioning;
using FedCore.Training.Tests.Partitioning;

namespace FedCore.Training.Tests.Data;

public class SiteDataTests
{
    private static readonly RunPlan Plan = Plans.Of(Plans.Softmax(1, 10));

    [Fact]
    public void A_site_takes_all_rows_whatever_natural_client_they_belong_to()
    {
        DataPool pool = Pools.Of(50) with { Groups = [new ExampleGroup("a", [.. Enumerable.Range(0, 20)]), new ExampleGroup("b", [.. Enumerable.Range(20, 30)])] };
        ClientData site = SiteData.Of(Plan, pool, "a");
        Assert.Equal(40, site.Train.Count);
        Assert.Equal(Enumerable.Range(0, 50), site.Train.Rows.ToArray().Concat(site.Test.Rows.ToArray()).Order());
    }

    [Fact]
    public void A_test_set_of_the_pools_own_is_kept_whole()
    {
        DataPool pool = Pools.Of(30, tests: 7);
        ClientData site = SiteData.Of(Plan, pool, "a", testFraction: 0.5);
        Assert.Equal(Enumerable.Range(0, 30), site.Train.Rows.ToArray().Order());
        Assert.Same(pool.Test, site.Test.Set);
        Assert.Equal(Enumerable.Range(0, 7), site.Test.Rows.ToArray());
    }

    [Fact]
    public void Other_clients_have_no_say_in_a_clients_split()
    {
        DataPool two = Pools.Of(50) with { Groups = [new ExampleGroup("a", [.. Enumerable.Range(0, 20)]), new ExampleGroup("b", [.. Enumerable.Range(20, 30)])] };
        DataPool swapped = two with { Groups = [two.Groups![1], two.Groups[0]] };
        Assert.Equal(Held(two, 0), Held(swapped, 1));
        Assert.Equal(Held(two, 1), Held(swapped, 0));

        static int[] Held(DataPool pool, int client) =>
            new PartitionedData(pool, new NaturalPartitioner().Split(pool, Draw.Stream("unused")), 0.2, ClientSplit.KeysOf(5)).Get(client).Test.Rows.ToArray();
    }

    [Fact]
    public void A_site_without_examples_is_refused_by_its_name() => Faults.Assert(
        Assert.Throws<FedCoreException>(() => SiteData.Of(Plan, new DataPool(new InMemoryExamples(new Shape(1), [], [])), "north")), "data.source", "'north'", "no training examples");

    [Fact]
    public void Examples_that_the_model_cannot_take_are_refused() => Faults.Assert(
        Assert.Throws<FedCoreException>(() => SiteData.Of(Plan, new DataPool(new InMemoryExamples(new Shape(2), [1, 2], [0])), "north")), "data.shape", "model.input");

    [Fact]
    public void A_number_that_is_not_finite_is_refused() => Faults.Assert(
        Assert.Throws<FedCoreException>(() => SiteData.Of(Plan, new DataPool(new InMemoryExamples(new Shape(1), [float.NaN], [0])), "north")), "data.not-finite", "feature 0");
}
