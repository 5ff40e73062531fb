using System.Runtime.CompilerServices;

namespace FedCore.Protocol.Tests.Probing;

/// <summary>
/// Bounds what the client's HTTP/2 takes in ahead of its reader. It keeps that in rented blocks of 16 KiB, of which the shared pool holds about a MiB: beyond,
/// what a test measures would be the window's growth.
/// </summary>
internal static class Windows
{
    [ModuleInitializer]
    internal static void Bound() => Environment.SetEnvironmentVariable("DOTNET_SYSTEM_NET_HTTP_SOCKETSHTTPHANDLER_FLOWCONTROL_MAXSTREAMWINDOWSIZE", $"{512 << 10}");
}
