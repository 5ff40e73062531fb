using FedCore.SecureAggregation.Sessions;
using FedCore.SecureAggregation.Sharing;
using FedCore.SecureAggregation.Suites;

namespace FedCore.SecureAggregation.Messages;

/// <summary>What goes to the aggregator in the rounds of a session.</summary>
internal static class RoundMessages
{
    /// <summary>The most bytes that a client's message can have in any round but that of the masked input.</summary>
    /// <param name="terms">The session's terms.</param>
    /// <param name="stage">The round.</param>
    public static long MostBytesUp(SessionTerms terms, SessionStage stage)
    {
        ISecureAggregationSuite suite = SecureAggregationSuites.Find(terms.Suite)!;
        int neighbours = Math.Min(terms.Graph.Degree, terms.Invited - 1);
        return stage switch
        {
            SessionStage.Advertise => Advertisement.LeastLength(suite) + MessageReader.LongestText,
            SessionStage.Share => (long)neighbours * SealedShares.Length(suite),
            SessionStage.Confirm => suite.SignatureLength,
            SessionStage.Unmask => (neighbours + 1L) * SecretSharing.ShareLength,
            _ => throw new ArgumentOutOfRangeException(nameof(stage), stage, "The round's message is as long as the input."),
        };
    }
}

/// <summary>A client's shares for its neighbours, sealed for each, in the neighbours' order (round 1, to the aggregator).</summary>
internal static class SealedShares
{
    /// <summary>Bytes of a sealed pair: a share of the self mask's seed and one of the mask key's.</summary>
    public static int Length(ISecureAggregationSuite suite) => 2 * SecretSharing.ShareLength + suite.SealLength;

    /// <summary>Cuts the message into pieces, one for each neighbour.</summary>
    public static ReadOnlyMemory<byte>[] Decode(ReadOnlyMemory<byte> bytes, int neighbours, ISecureAggregationSuite suite)
    {
        int length = Length(suite);
        return bytes.Length == neighbours * length
            ? [.. Enumerable.Range(0, neighbours).Select(i => bytes.Slice(i * length, length))]
            : throw new SecureAggregationException(SecureAggregationCodes.Message, $"The sealed shares are {bytes.Length} bytes, but {neighbours} neighbours get {neighbours * length}.");
    }
}

/// <summary>The shares that arrived for a client: from whom, and sealed (round 2, to the client).</summary>
internal sealed record DeliveredShares(IReadOnlyList<(int From, ReadOnlyMemory<byte> Sealed)> Shares)
{
    public byte[] Encode()
    {
        MessageWriter writer = new MessageWriter().Number(Shares.Count);
        foreach ((int from, ReadOnlyMemory<byte> box) in Shares) writer.Number(from).Bytes(box.Span);
        return writer.ToArray();
    }

    public static DeliveredShares Decode(ReadOnlySpan<byte> bytes, int neighbours, ISecureAggregationSuite suite)
    {
        var reader = new MessageReader(bytes, "The delivered shares");
        var shares = new (int, ReadOnlyMemory<byte>)[reader.Count(neighbours, sizeof(int) + SealedShares.Length(suite))];
        for (int i = 0; i < shares.Length; i++) shares[i] = (reader.Number(), reader.Bytes(SealedShares.Length(suite)).ToArray());
        reader.End();
        return new DeliveredShares(shares);
    }
}

/// <summary>What a client signs of the set of survivors (round 3).</summary>
internal static class Confirmation
{
    public static byte[] SignedBytes(ReadOnlySpan<byte> session, ReadOnlySpan<byte> advertisements, MemberSet survivors) =>
        new MessageWriter().Bytes(Labels.Survivors).Bytes(session).Bytes(advertisements).Number(survivors.Members).Bytes(survivors.Bits).ToArray();
}

/// <summary>Who signed which set of survivors, and of whose secrets a client shall give its shares (round 4, to the client).</summary>
/// <param name="Survivors">The set.</param>
/// <param name="Signatures">Who signed it.</param>
/// <param name="Alive">Survivors, whose self masks' seeds are asked for.</param>
/// <param name="Dead">Those who shared and then vanished, whose mask keys' seeds are asked for.</param>
internal sealed record UnmaskRequest(
    MemberSet Survivors, IReadOnlyList<(int From, ReadOnlyMemory<byte> Signature)> Signatures, IReadOnlyList<int> Alive, IReadOnlyList<int> Dead)
{
    public byte[] Encode()
    {
        MessageWriter writer = new MessageWriter().Bytes(Survivors.Bits).Number(Signatures.Count);
        foreach ((int from, ReadOnlyMemory<byte> signature) in Signatures) writer.Number(from).Bytes(signature.Span);
        foreach (IReadOnlyList<int> list in (IReadOnlyList<int>[])[Alive, Dead])
        {
            writer.Number(list.Count);
            foreach (int member in list) writer.Number(member);
        }

        return writer.ToArray();
    }

    public static UnmaskRequest Decode(ReadOnlySpan<byte> bytes, int members, ISecureAggregationSuite suite)
    {
        var reader = new MessageReader(bytes, "The request for shares");
        var survivors = MemberSet.Read(ref reader, members);
        var signatures = new (int, ReadOnlyMemory<byte>)[reader.Count(members, sizeof(int) + suite.SignatureLength)];
        for (int i = 0; i < signatures.Length; i++) signatures[i] = (reader.Number(), reader.Bytes(suite.SignatureLength).ToArray());
        int[] alive = Members(ref reader, members), dead = Members(ref reader, members);
        reader.End();
        return new UnmaskRequest(survivors, signatures, alive, dead);
    }

    private static int[] Members(ref MessageReader reader, int members)
    {
        int[] list = new int[reader.Count(members, sizeof(int))];
        for (int i = 0; i < list.Length; i++)
        {
            list[i] = reader.Number();
            if (i > 0 && list[i] <= list[i - 1]) throw reader.Refused("its clients are not in order");
        }

        return list;
    }
}
