using System.Buffers.Binary;
using System.Net;
using System.Net.Http.Headers;
using System.Text;

namespace Grpc.Net.Client.Web;

internal enum GrpcWebMode
{
    /// <summary>Messages as bytes, not in base64.</summary>
    GrpcWeb,
}

/// <summary>
/// Sends calls as gRPC-Web (PROTOCOL-WEB.md), which also goes over HTTP/1.1: calls that are answered behind the last of their messages. The trailers come as a last
/// frame of the body.
/// </summary>
internal sealed class GrpcWebHandler(GrpcWebMode mode, HttpMessageHandler innerHandler) : DelegatingHandler(innerHandler)
{
    public GrpcWebMode GrpcWebMode => mode;

    protected override async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
    {
        request.Content!.Headers.ContentType = new MediaTypeHeaderValue(Wire.WebContentType + "+proto");
        request.Headers.Remove("te");
        HttpResponseMessage response = await base.SendAsync(request, cancellationToken).ConfigureAwait(false);
        if (response.StatusCode == HttpStatusCode.OK && Wire.IsOfType(response.Content.Headers.ContentType?.MediaType, Wire.WebContentType))
        {
            var content = new StreamContent(new WebBody(await response.Content.ReadAsStreamAsync(cancellationToken).ConfigureAwait(false), response.TrailingHeaders));
            content.Headers.ContentType = new MediaTypeHeaderValue(Wire.ContentType);
            response.Content = content;
        }

        return response;
    }

    /// <summary>The messages of an answer, up to the frame with the trailers.</summary>
    private sealed class WebBody(Stream inner, HttpResponseHeaders trailers) : Stream
    {
        private const int TrailerFlag = 0x80, MaxTrailerBytes = 64 << 10;

        private readonly byte[] _prefix = new byte[Wire.PrefixLength];
        private int _prefixGiven = Wire.PrefixLength;
        private long _left;
        private bool _hasEnded;

        public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
        {
            if (_hasEnded || buffer.IsEmpty) return 0;
            if (_prefixGiven == Wire.PrefixLength && _left == 0 && !await ReadPrefixAsync(cancellationToken).ConfigureAwait(false)) return 0;
            if (_prefixGiven < Wire.PrefixLength)
            {
                int given = Math.Min(buffer.Length, Wire.PrefixLength - _prefixGiven);
                _prefix.AsSpan(_prefixGiven, given).CopyTo(buffer.Span);
                _prefixGiven += given;
                return given;
            }

            int count = await inner.ReadAsync(buffer[..(int)Math.Min(buffer.Length, _left)], cancellationToken).ConfigureAwait(false);
            _left -= count;
            return count;
        }

        private async ValueTask<bool> ReadPrefixAsync(CancellationToken ct)
        {
            _hasEnded = await inner.ReadAtLeastAsync(_prefix, Wire.PrefixLength, throwOnEndOfStream: false, ct).ConfigureAwait(false) < Wire.PrefixLength;
            if (_hasEnded) return false;
            uint length = BinaryPrimitives.ReadUInt32BigEndian(_prefix.AsSpan(1));
            if ((_prefix[0] & TrailerFlag) == 0)
            {
                (_left, _prefixGiven) = (length, 0);
                return true;
            }

            _hasEnded = true;
            if (length > MaxTrailerBytes) throw new IOException($"The trailers have {length} bytes, more than {MaxTrailerBytes}.");
            byte[] text = new byte[length];
            await inner.ReadExactlyAsync(text, ct).ConfigureAwait(false);
            foreach (string line in Encoding.ASCII.GetString(text).Split("\r\n", StringSplitOptions.RemoveEmptyEntries))
                if (line.IndexOf(':', StringComparison.Ordinal) is > 0 and var colon) trailers.TryAddWithoutValidation(line[..colon].Trim(), line[(colon + 1)..].Trim());
            return false;
        }

        public override bool CanRead => true;

        public override bool CanSeek => false;

        public override bool CanWrite => false;

        public override long Length => throw new NotSupportedException();

        public override long Position
        {
            get => throw new NotSupportedException();
            set => throw new NotSupportedException();
        }

        public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

        public override void Flush() => throw new NotSupportedException();

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();

        public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

        protected override void Dispose(bool disposing)
        {
            if (disposing) inner.Dispose();
            base.Dispose(disposing);
        }
    }
}
