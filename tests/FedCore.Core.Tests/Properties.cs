using FsCheck;
using Microsoft.FSharp.Core;

namespace FedCore.Core.Tests;

/// <summary>Property tests with a fixed seed: what passes once passes always, and what fails fails again.</summary>
internal static class Properties
{
    public static Config Cases(int count) => Config.QuickThrowOnFailure
        .WithMaxTest(count)
        .WithQuietOnSuccess(true)
        .WithReplay(FSharpOption<Replay>.Some(new Replay(new Rnd(2026, 11), FSharpOption<int>.None)));
}
