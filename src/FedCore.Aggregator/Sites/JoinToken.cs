using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;

namespace FedCore.Aggregator.Sites;

/// <summary>Secrets by which sites and coordinators show who they are: 256 random bits, of which only a hash is kept.</summary>
internal static class JoinToken
{
    private const int SecretBytes = 32;

    /// <summary>Draws a token.</summary>
    /// <returns>43 characters that need no quoting anywhere.</returns>
    public static string New() => Base64Url.EncodeToString(RandomNumberGenerator.GetBytes(SecretBytes));

    /// <summary>The hash that is kept. A guess at 256 random bits is hopeless however fast the hash is, so it needs neither salt nor stretching.</summary>
    /// <param name="token">The token.</param>
    /// <returns>SHA-256, 64 hexadecimal digits.</returns>
    public static string Hash(string token) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(token)));

    /// <summary>Whether two hashes are the same, in a time that does not depend on where they differ.</summary>
    public static bool Matches(string hash, string other) => CryptographicOperations.FixedTimeEquals(Encoding.ASCII.GetBytes(hash), Encoding.ASCII.GetBytes(other));
}
