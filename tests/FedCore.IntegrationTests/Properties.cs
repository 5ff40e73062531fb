// Each test has many processes already.
[assembly: CollectionBehavior(DisableTestParallelization = true)]
