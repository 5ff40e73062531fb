using FedCore;
using FedCore.Client;

// What tests start in order to kill it: a client, as a program of its own.
try
{
    return await ClientHost.RunAsync(args, Console.Out, CancellationToken.None);
}
catch (FedCoreException fault)
{
    Console.Error.WriteLine(fault.Message);
    return (int)fault.Kind;
}
