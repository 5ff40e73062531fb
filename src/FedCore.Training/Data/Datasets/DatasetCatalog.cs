namespace FedCore.Training.Data.Datasets;

/// <summary>The public data sets that FedCore knows.</summary>
public static class DatasetCatalog
{
    private const string Mnist = "https://ossci-datasets.s3.amazonaws.com/mnist/";
    private const string Fashion = "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/";
    private const string Heart = "https://archive.ics.uci.edu/ml/machine-learning-databases/heart-disease/";

    /// <summary>All of them, by name.</summary>
    public static IReadOnlyList<DatasetInfo> All { get; } =
    [
        new DatasetInfo(
            "fashion-mnist",
            "70,000 images of clothing, 28 x 28 grey, 10 classes",
            "MIT",
            "Xiao, Rasul and Vollgraf 2017, Zalando Research",
            [
                File(Fashion, "train-images-idx3-ubyte.gz", 47_040_016, "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888"),
                File(Fashion, "train-labels-idx1-ubyte.gz", 60_008, "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9"),
                File(Fashion, "t10k-images-idx3-ubyte.gz", 7_840_016, "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b"),
                File(Fashion, "t10k-labels-idx1-ubyte.gz", 10_008, "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34"),
            ],
            ["/usr/share/datasets/fashion-mnist"],
            "dataset-fashion-mnist"),
        new DatasetInfo(
            "heart-disease",
            "Heart disease in four hospitals: 920 patients, 13 features",
            "CC BY 4.0",
            "Janosi, Steinbrunn, Pfisterer and Detrano, UCI Machine Learning Repository, id 45",
            [
                File(Heart, "processed.cleveland.data", 18_461, "a74b7efa387bc9d108d7d0115d831fe9b414b29ae7124f331b622b4efa0427c8"),
                File(Heart, "processed.hungarian.data", 10_263, "d1ad108f785768cd3d7e82dc522e6f5a61eea93cccfb3a46ee8076f73fc3d796"),
                File(Heart, "processed.switzerland.data", 4_109, "834a405ccf5b66ab4056bb77794adc8df0b7125186454c0a1d002d33c6c3b314"),
                File(Heart, "processed.va.data", 6_737, "e7c93d8d0d2acdadfa4c5e8de768e2191e7f618b952e29623f1f0d5949ff6b8f"),
            ],
            []),
        new DatasetInfo(
            "mnist",
            "70,000 handwritten digits, 28 x 28 grey, 10 classes",
            "CC BY-SA 3.0",
            "LeCun, Cortes and Burges",
            [
                File(Mnist, "train-images-idx3-ubyte.gz", 47_040_016, "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db"),
                File(Mnist, "train-labels-idx1-ubyte.gz", 60_008, "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5"),
                File(Mnist, "t10k-images-idx3-ubyte.gz", 7_840_016, "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7"),
                File(Mnist, "t10k-labels-idx1-ubyte.gz", 10_008, "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2"),
            ],
            []),
    ];

    /// <summary>Looks a data set up.</summary>
    /// <param name="name">Its name.</param>
    /// <returns>The data set.</returns>
    /// <exception cref="FedCoreException">There is none of that name (<c>data.unknown</c>).</exception>
    public static DatasetInfo Find(string name) => All.FirstOrDefault(info => info.Name == name) ?? throw FedCoreException.Configuration(
        "data.unknown", $"There is no data set '{Shown.Of(name)}'. Known: {string.Join(", ", All.Select(info => info.Name))}.");

    private static DatasetFile File(string origin, string name, long size, string sha256) => new(name, new Uri(origin + name), size, sha256);
}
