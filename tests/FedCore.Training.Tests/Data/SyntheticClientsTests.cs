using FedCore.Rounds;
using FedCore.Training.Data;
using FedCore.Training.Tests.Data.Csv;

namespace FedCore.Training.Tests.Data;

public class SyntheticClientsTests
{
    private static readonly RunPlan Plan = Plans.Of(Plans.Softmax(60, 10));

    [Fact]
    public void The_same_seed_gives_the_same_clients_in_any_order_and_another_seed_others()
    {
        IFederatedData first = new SyntheticClients { Examples = 20, Seed = 5 }.Create(Plan), again = new SyntheticClients { Examples = 20, Seed = 5 }.Create(Plan);
        float[][] later = CsvFiles.Features(again.Get(7).Train), sooner = CsvFiles.Features(again.Get(2).Train);
        Assert.Equal(CsvFiles.Features(first.Get(2).Train), sooner);
        Assert.Equal(CsvFiles.Features(first.Get(7).Train), later);
        Assert.Equal(CsvFiles.Labels(first.Get(7).Train.Set), CsvFiles.Labels(again.Get(7).Train.Set));
        Assert.NotEqual(sooner, later);
        Assert.NotEqual(sooner, CsvFiles.Features(new SyntheticClients { Examples = 20, Seed = 6 }.Create(Plan).Get(2).Train));
    }

    [Fact]
    public void Train_counts_are_known_without_making_the_examples()
    {
        IFederatedData data = new SyntheticClients { Clients = 20, TestFraction = 0.25 }.Create(Plan);
        for (int client = 0; client < 20; client++)
        {
            ClientData examples = data.Get(client);
            Assert.Equal(examples.Train.Count, data.TrainCountOf(client));
            int count = examples.Train.Count + examples.Test.Count;
            Assert.Equal(count, examples.Train.Set.Count);
            Assert.Equal((int)(0.75 * count), examples.Train.Count);
        }
    }

    // Sizes are 50 + log-normal(4, 2): the logarithm of what is above 50 has the median 4 (Li et al. 2020, the authors' program). Of 1001 the middle
    // one is off by 2 sqrt(pi / 2 / 1001) = .08 (one deviation).
    [Fact]
    public void Sizes_are_fifty_and_log_normal()
    {
        IFederatedData data = new SyntheticClients { Clients = 1001, TestFraction = 0 }.Create(Plan);
        int[] sizes = [.. Enumerable.Range(0, 1001).Select(client => data.TrainCountOf(client))];
        Assert.True(sizes.Min() >= 50);
        Assert.Equal(4, Math.Log(sizes.Order().ElementAt(500) - 50 + 0.5), 5 * 0.08);
    }

    [Fact]
    public void The_last_of_a_million_clients_is_made_without_the_others()
    {
        IFederatedData data = new SyntheticClients { Clients = 1_000_000, Examples = 10 }.Create(Plan);
        Assert.Equal(1_000_000, data.ClientCount);
        long before = GC.GetAllocatedBytesForCurrentThread();
        ClientData last = data.Get(999_999);
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 100_000);
        Assert.Equal(9, last.Train.Count);
        Assert.Equal("client-999999", data.NameOf(999_999));
    }

    // Dimension j has the variance j^-1.2 around the client's own mean.
    [Fact]
    public void Features_have_the_papers_variances_and_labels_are_classes()
    {
        const int count = 20_000;
        ClientData data = new SyntheticClients { Clients = 1, Examples = count, TestFraction = 0 }.Create(Plan).Get(0);
        float[][] x = CsvFiles.Features(data.Train);
        foreach (int j in (int[])[1, 2, 10, 60])
        {
            double mean = x.Average(row => row[j - 1]), variance = x.Average(row => Math.Pow(row[j - 1] - mean, 2)), expected = Math.Pow(j, -1.2);

            // The sample variance is off by a share of sqrt(2 / n) = 1 % (one deviation).
            Assert.InRange(variance, 0.95 * expected, 1.05 * expected);
        }

        Assert.All(CsvFiles.Labels(data.Train.Set), label => Assert.Contains(label, Enumerable.Range(0, 10).Select(c => (float)c)));
    }

    [Fact]
    public void A_larger_beta_moves_the_clients_features_apart()
    {
        Assert.True(SpreadOfMeans(4) > 2 * SpreadOfMeans(0));

        static double SpreadOfMeans(double beta)
        {
            IFederatedData data = new SyntheticClients { Clients = 100, Examples = 20, Beta = beta }.Create(Plan);
            double[] means = [.. Enumerable.Range(0, 100).Select(client => (double)CsvFiles.Features(data.Get(client).Train).SelectMany(row => row).Average())];
            return Math.Sqrt(means.Average(m => m * m) - Math.Pow(means.Average(), 2));
        }
    }

    // 1,000,000 x 3000 is more than an array holds.
    [Fact]
    public void More_numbers_than_an_array_holds_are_refused_before_a_client_is_made()
    {
        var fault = Assert.Throws<FedCoreException>(() => new SyntheticClients { Examples = 1_000_000 }.Create(Plans.Of(Plans.Softmax(3000, 2))));
        Faults.Assert(fault, "data.synthetic", "1000000 examples of 3000 features", "3000000000", "2147483591", "simulation.clients.examples");
    }

    [Fact]
    public void A_model_without_classes_or_for_images_is_refused()
    {
        var fault = Assert.Throws<FedCoreException>(() => new SyntheticClients().Create(Plans.Of(Plans.EveryLayer)));
        Faults.Assert(fault, "data.synthetic", "[9, 8, 2]", "softmaxCrossEntropy");
    }
}
