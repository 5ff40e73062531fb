namespace FedCore.SecureAggregation.Messages;

/// <summary>Some of a session's clients, as a bit for each.</summary>
internal sealed class MemberSet
{
    private readonly byte[] _bits;

    public MemberSet(int members, params IEnumerable<int> included)
    {
        Members = members;
        _bits = new byte[(members + 7) / 8];
        foreach (int member in included) _bits[member / 8] |= (byte)(1 << (member % 8));
    }

    /// <summary>Reads a set; bits beyond the clients are none's.</summary>
    public static MemberSet Read(ref MessageReader reader, int members)
    {
        var set = new MemberSet(members);
        reader.Bytes(set._bits.Length).CopyTo(set._bits);
        if (members % 8 != 0 && set._bits[^1] >> (members % 8) != 0) throw reader.Refused("it names clients that are not there");
        return set;
    }

    /// <summary>How many clients the session has.</summary>
    public int Members { get; }

    public ReadOnlySpan<byte> Bits => _bits;

    public int Count => _bits.Sum(bits => System.Numerics.BitOperations.PopCount(bits));

    public bool Contains(int member) => member >= 0 && member < Members && (_bits[member / 8] >> (member % 8) & 1) != 0;

    public IEnumerable<int> Included => Enumerable.Range(0, Members).Where(Contains);
}
