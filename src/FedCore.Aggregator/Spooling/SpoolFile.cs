using Microsoft.Win32.SafeHandles;

namespace FedCore.Aggregator.Spooling;

/// <summary>Reads what the spool has written.</summary>
internal static class SpoolFile
{
    /// <summary>Fills a buffer.</summary>
    /// <param name="file">The file.</param>
    /// <param name="path">Where it lies.</param>
    /// <param name="offset">Where the first byte is.</param>
    /// <param name="bytes">The buffer.</param>
    /// <exception cref="FedCoreException">The bytes cannot be read, or the file has become shorter (<c>spool.read</c>).</exception>
    public static void Read(SafeFileHandle file, string path, long offset, Span<byte> bytes)
    {
        try
        {
            for (int filled = 0; filled < bytes.Length;)
            {
                int count = RandomAccess.Read(file, bytes[filled..], offset + filled);
                if (count == 0) throw new EndOfStreamException("the file has become shorter.");
                filled += count;
            }
        }
        catch (IOException fault)
        {
            throw SpoolFaults.NotRead(path, fault);
        }
    }
}
