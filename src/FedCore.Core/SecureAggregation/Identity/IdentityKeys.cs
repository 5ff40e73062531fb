using System.Security.Cryptography;
using FedCore.SecureAggregation.Suites;

namespace FedCore.SecureAggregation.Identity;

/// <summary>Private identity keys as files: PEM with PKCS #8 (RFC 7468, RFC 5958), as other tools read them too.</summary>
public static class IdentityKeys
{
    private const string Label = "PRIVATE KEY";

    /// <summary>A key as the text of a file that only its owner may read.</summary>
    /// <param name="key">The key.</param>
    /// <returns>The text.</returns>
    public static string ToPem(ISigningKey key)
    {
        ArgumentNullException.ThrowIfNull(key);
        byte[] bytes = key.Export();
        string text = PemEncoding.WriteString(Label, bytes);
        CryptographicOperations.ZeroMemory(bytes);
        return text + "\n";
    }

    /// <summary>Reads a key.</summary>
    /// <param name="pem">The file's text.</param>
    /// <param name="file">The file, for the message.</param>
    /// <returns>The key, which the caller disposes of.</returns>
    /// <exception cref="FedCoreException">It is no private key of P-256 (<c>identity.key</c>).</exception>
    public static ISigningKey FromPem(string pem, string file)
    {
        ArgumentNullException.ThrowIfNull(pem);
        try
        {
            if (PemEncoding.TryFind(pem, out PemFields fields) && pem[fields.Label] == Label)
            {
                byte[] bytes = Convert.FromBase64String(pem[fields.Base64Data]);
                try
                {
                    return SecureAggregationSuites.Default.ImportSigningKey(bytes);
                }
                finally
                {
                    CryptographicOperations.ZeroMemory(bytes);
                }
            }
        }
        catch (CryptographicException)
        {
            // As if there were none.
        }

        throw FedCoreException.Configuration("identity.key", $"{Shown.Of(file, 400)} holds no private key of P-256. Make one with: fedcore federation identity --out FILE");
    }
}
