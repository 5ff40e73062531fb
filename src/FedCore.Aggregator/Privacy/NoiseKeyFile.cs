using System.Security.Cryptography;
using FedCore.Aggregator.Storage;
using FedCore.Privacy.Sampling;

namespace FedCore.Aggregator.Privacy;

/// <summary>Where the secret of noise in trees lies, so that a run's tree outlasts the process.</summary>
internal static class NoiseKeyFile
{
    private const string FileName = "noise.key";

    /// <summary>Opens the key of a data folder, which is made when it is wanted for the first time.</summary>
    /// <exception cref="FedCoreException">The file is none (<c>privacy.noise-key</c>).</exception>
    public static NoiseKey Open(string folder, Disk disk)
    {
        string path = Path.Combine(folder, FileName);
        byte[] secret = File.Exists(path) ? File.ReadAllBytes(path) : Make(path, disk);
        try
        {
            return secret.Length == KeyedRandomBytes.SecretLength ? new NoiseKey(secret) : throw FedCoreException.Configuration(
                "privacy.noise-key", $"{path} has {secret.Length} bytes, and a key of noise {KeyedRandomBytes.SecretLength}. Put it back from a copy; or delete it, and runs with noise in trees begin new ones, which cost by themselves.");
        }
        finally
        {
            CryptographicOperations.ZeroMemory(secret);
        }
    }

    private static byte[] Make(string path, Disk disk)
    {
        byte[] secret = RandomNumberGenerator.GetBytes(KeyedRandomBytes.SecretLength);
        disk.Write(path, secret);
        return secret;
    }
}
