using FedCore.Compression;
using Microsoft.Win32.SafeHandles;

namespace FedCore.Client.Outbox;

/// <summary>An update's bytes in a file, of which a part at a time is in memory.</summary>
internal sealed class UpdateFileReader(string path) : IEncodedUpdate
{
    private const int BufferBytes = 256 << 10;

    private readonly SafeFileHandle _file = File.OpenHandle(path);
    private readonly byte[] _buffer = new byte[BufferBytes];
    private long _start;
    private int _filled;

    public long Length => RandomAccess.GetLength(_file);

    public ReadOnlySpan<byte> Read(long offset, int count)
    {
        if (offset < _start || offset + count > _start + _filled)
        {
            (_start, _filled) = (offset, 0);
            while (_filled < count)
            {
                int read = RandomAccess.Read(_file, _buffer.AsSpan(_filled), offset + _filled);
                if (read == 0) throw new EndOfStreamException($"{path} ends before byte {offset + count}.");
                _filled += read;
            }
        }

        return _buffer.AsSpan((int)(offset - _start), count);
    }

    public void Dispose() => _file.Dispose();
}
