namespace FedCore.Cli.Demo;

/// <summary>The demo as its processes see it: they end when it does, whatever ended it.</summary>
internal static class ParentProcess
{
    /// <summary>Set in a process whose standard input is held open by another one, for as long as that lives.</summary>
    public const string Variable = "FEDCORE_PARENT";

    private const int Interrupted = 130;

    /// <summary>Ends this process, as it ends when it is told to, once its parent is gone; where it has one.</summary>
    public static void Watch()
    {
        if (Environment.GetEnvironmentVariable(Variable) is not { Length: > 0 }) return;
        var watch = new Thread(() =>
        {
            using Stream input = Console.OpenStandardInput();
            Span<byte> nothing = stackalloc byte[64];
            while (input.Read(nothing) > 0)
            {
            }

            Environment.Exit(Interrupted);
        });
        watch.IsBackground = true;
        watch.Start();
    }
}
