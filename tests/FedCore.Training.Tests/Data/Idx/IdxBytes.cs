using System.Buffers.Binary;

namespace FedCore.Training.Tests.Data.Idx;

/// <summary>IDX files as bytes, after the description on the page of MNIST (LeCun, Cortes and Burges).</summary>
internal static class IdxBytes
{
    public static byte[] Of(byte type, int[] extents, byte[] elements)
    {
        byte[] header = new byte[4 + 4 * extents.Length];
        (header[2], header[3]) = (type, (byte)extents.Length);
        for (int i = 0; i < extents.Length; i++) BinaryPrimitives.WriteInt32BigEndian(header.AsSpan(4 + 4 * i), extents[i]);
        return [.. header, .. elements];
    }

    public static byte[] Bytes(int[] extents, params byte[] elements) => Of(0x08, extents, elements);

    public static byte[] Shorts(int[] extents, params short[] elements) =>
        Of(0x0B, extents, [.. elements.SelectMany(e => BigEndian(2, b => BinaryPrimitives.WriteInt16BigEndian(b, e)))]);

    public static byte[] Integers(int[] extents, params int[] elements) =>
        Of(0x0C, extents, [.. elements.SelectMany(e => BigEndian(4, b => BinaryPrimitives.WriteInt32BigEndian(b, e)))]);

    public static byte[] Floats(int[] extents, params float[] elements) =>
        Of(0x0D, extents, [.. elements.SelectMany(e => BigEndian(4, b => BinaryPrimitives.WriteSingleBigEndian(b, e)))]);

    public static byte[] Doubles(int[] extents, params double[] elements) =>
        Of(0x0E, extents, [.. elements.SelectMany(e => BigEndian(8, b => BinaryPrimitives.WriteDoubleBigEndian(b, e)))]);

    private static byte[] BigEndian(int size, Action<byte[]> write)
    {
        byte[] bytes = new byte[size];
        write(bytes);
        return bytes;
    }
}
