using FedCore.Aggregator.Sites;
using FedCore.Aggregator.Storage;
using FedCore.Aggregator.Telemetry;
using Microsoft.Extensions.Logging;

namespace FedCore.Aggregator.Hosting;

/// <summary>The secret by which coordinators show who they are. It is drawn at the first start, and lies in the data folder, which only the aggregator's user reads.</summary>
internal static class CoordinatorToken
{
    /// <summary>The file's name in the data folder.</summary>
    public const string FileName = "coordinator.token";

    /// <summary>Reads the token, or draws one.</summary>
    /// <returns>Its hash.</returns>
    /// <exception cref="FedCoreException">The file is empty (<c>aggregator.token</c>).</exception>
    public static string HashIn(string folder, Disk disk, ILogger logger)
    {
        string path = Path.Combine(folder, FileName);
        if (!File.Exists(path))
        {
            disk.Write(path, System.Text.Encoding.ASCII.GetBytes(JoinToken.New()));
            Log.CoordinatorToken(logger, path);
        }

        string token = File.ReadAllText(path).Trim();
        return token.Length > 0 ? JoinToken.Hash(token) : throw FedCoreException.Configuration("aggregator.token", $"{path} is empty. Delete it to have another token drawn.");
    }
}
