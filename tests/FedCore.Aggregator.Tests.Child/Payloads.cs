using System.Security.Cryptography;
using System.Text;

namespace FedCore.Aggregator.Tests.Child;

/// <summary>Updates that a test can check without having seen them.</summary>
public static class Payloads
{
    /// <summary>Bytes that follow from a label and a length.</summary>
    public static byte[] Of(string label, int length)
    {
        byte[] bytes = new byte[length], seed = SHA256.HashData(Encoding.UTF8.GetBytes(label));
        for (int i = 0; i < length; i++) bytes[i] = (byte)(seed[i % 32] + i / 32);
        return bytes;
    }
}
