using System.Security.Cryptography;
using System.Text;
using FedCore.Protocol.V1;
using Google.Protobuf;

namespace FedCore.Protocol.Transfers;

/// <summary>What a site was given to do, as sites and aggregator compare it before they sum what came of it: the model, what goes along with it, and the work.</summary>
internal static class Assignment
{
    /// <summary>Its hash.</summary>
    /// <param name="offer">A task for training or evaluation.</param>
    /// <returns>
    /// SHA-256 of, in this order: the text <c>fedcore assignment 1</c> and a zero; the digest of the model; of each vector that goes along with it, by the order of the names, the name in UTF-8, a zero
    /// and the digest; and the bytes of the work, in the order of its fields, or nothing for an evaluation.
    /// </returns>
    public static byte[] DigestOf(TaskOffer offer)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        hash.AppendData("fedcore assignment 1\0"u8);
        hash.AppendData(offer.Model.Digest.Span);
        foreach (Broadcast broadcast in offer.Broadcasts.OrderBy(broadcast => broadcast.Name, StringComparer.Ordinal))
        {
            hash.AppendData(Encoding.UTF8.GetBytes(broadcast.Name + "\0"));
            hash.AppendData(broadcast.Values.Digest.Span);
        }

        if (offer.WorkCase == TaskOffer.WorkOneofCase.Train) hash.AppendData(offer.Train.ToByteArray());
        return hash.GetHashAndReset();
    }
}
