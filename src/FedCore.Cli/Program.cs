using FedCore.Cli;
using FedCore.Cli.Demo;

ParentProcess.Watch();
return await CommandLine.RunAsync(args, Console.Out, Console.Error);
