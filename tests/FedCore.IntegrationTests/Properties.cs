// Each test has many processes already; most of the time they wait for each other.
[assembly: CollectionBehavior(MaxParallelThreads = 2)]
