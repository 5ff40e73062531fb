using System.Buffers;
using System.Diagnostics;
using System.Security.Cryptography;
using FedCore.Client.Connection;
using FedCore.Client.Telemetry;
using FedCore.Protocol.Transfers;
using FedCore.Protocol.V1;
using Google.Protobuf;
using Grpc.Core;
using Microsoft.Extensions.Logging;
using Microsoft.Win32.SafeHandles;

namespace FedCore.Client.Outbox;

/// <summary>Sends one update: in one call where it is short, otherwise from where the aggregator wants it, as a stream or, where there are none, in pieces.</summary>
internal sealed class UpdateSender(EdgeConnection connection, Session session, ILogger log)
{
    // How long what was sent may be on its way still when the connection is gone here, in milliseconds: at random, so that sites that lost it at once do not ask at once.
    private const int LeastOnItsWay = 250, MostOnItsWay = 750;

    /// <summary>Sends the update; when the call returns, the aggregator has it for good.</summary>
    /// <exception cref="CallFault">It could not be sent.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled, or nobody waits for the update any more.</exception>
    public async Task SendAsync(OutboxEntry entry, CancellationToken ct)
    {
        using Activity? activity = ClientActivities.StartUpload(entry.Record);
        using SafeFileHandle file = File.OpenHandle(entry.UpdateFile, share: FileShare.Read | FileShare.Delete, options: FileOptions.SequentialScan);
        UploadHead head = HeadOf(entry);
        UploadState state = head.Length <= session.InlineBytes
            ? await SendPartAsync(file, head, 0, (int)head.Length, ct).ConfigureAwait(false)
            : entry.MayBeThere ? await connection.FindUploadAsync(head, ct).ConfigureAwait(false) : new UploadState();
        entry.MayBeThere = true;
        while (!state.IsAccepted)
        {
            ct.ThrowIfCancellationRequested();
            entry.Unwanted.ThrowIfCancellationRequested();
            if (state.Offset < 0 || state.Offset > head.Length) throw new CallFault($"the aggregator says that it has {state.Offset} of the update's {head.Length} bytes");
            long offset = state.Offset;
            state = connection.CanStream
                ? await StreamAsync(file, entry, head, offset, ct).ConfigureAwait(false)
                : await SendPartAsync(file, head, offset, (int)Math.Min(session.ChunkBytes, head.Length - offset), ct).ConfigureAwait(false);
            entry.HasMoved |= state.Offset > offset;
            if (!state.IsAccepted && state.Offset <= offset) throw new CallFault($"the aggregator keeps nothing of the update behind byte {state.Offset} of {head.Length}");
        }
    }

    private async Task<UploadState> SendPartAsync(SafeFileHandle file, UploadHead head, long offset, int count, CancellationToken ct)
    {
        byte[] buffer = ArrayPool<byte>.Shared.Rent(Math.Max(1, count));
        try
        {
            Read(file, buffer.AsSpan(0, count), offset);
            UploadState state = await connection.SendPartAsync(new Chunk { Head = head, Offset = offset, Data = new ReadOnlySequence<byte>(buffer, 0, count) }, ct).ConfigureAwait(false);
            ClientMeter.Uploaded.Add(count);
            return state;
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    private async Task<UploadState> StreamAsync(SafeFileHandle file, OutboxEntry entry, UploadHead head, long offset, CancellationToken ct)
    {
        UploadState state = new();
        using var cancelled = CancellationTokenSource.CreateLinkedTokenSource(ct);
        using var stall = new StallTimer(connection.Clock, cancelled.Token);

        // As long as the stream lasts, which has announced how long it is.
        int chunkBytes = session.ChunkBytes;
        try
        {
            await EdgeConnection.TransferAsync(connection.Uploads, stall, SendAsync, CameThroughAsync).ConfigureAwait(false);
        }
        catch (CallFault fault) when (IsFurther())
        {
            log.UpdateGoesOn(entry.Record.Run, entry.Record.Round, state.Offset, head.Length, fault.Message);
        }

        return state;

        bool IsFurther() => state.IsAccepted || state.Offset > offset;

        async Task SendAsync(Transfers way, CallOptions options)
        {
            using AsyncClientStreamingCall<Chunk, UploadState> call = way.Uploads.Send(options, Chunk.LengthOfStream(head, offset, chunkBytes));
            try
            {
                // Of an update that is there to its end it is known only by the answer what became of it.
                using CancellationTokenRegistration unwanted = entry.Unwanted.Register(cancelled.Cancel);
                await WriteAsync(call.RequestStream, file, head, offset, chunkBytes, stall).ConfigureAwait(false);
            }
            catch (Exception fault) when (fault is RpcException or InvalidOperationException && !stall.Token.IsCancellationRequested)
            {
                // The aggregator may have ended the call early: its answer says why.
            }

            state = await call.ResponseAsync.ConfigureAwait(false);
        }

        // Over HTTP/1.1 an answer to what was not sent to its end is lost: the aggregator says once more what it has, or why it wants no more of it.
        async ValueTask<bool> CameThroughAsync()
        {
            using var wanted = CancellationTokenSource.CreateLinkedTokenSource(ct, entry.Unwanted);
            await Task.Delay(TimeSpan.FromMilliseconds(RandomNumberGenerator.GetInt32(LeastOnItsWay, MostOnItsWay)), connection.Clock, wanted.Token).ConfigureAwait(false);
            state = await connection.FindUploadAsync(head, wanted.Token).ConfigureAwait(false);
            return IsFurther();
        }
    }

    private static async Task WriteAsync(IClientStreamWriter<Chunk> stream, SafeFileHandle file, UploadHead head, long offset, int chunkBytes, StallTimer stall)
    {
        byte[] buffer = ArrayPool<byte>.Shared.Rent(chunkBytes);
        try
        {
            bool isFirst = true;
            do
            {
                int count = (int)Math.Min(chunkBytes, head.Length - offset);
                Read(file, buffer.AsSpan(0, count), offset);
                var data = new ReadOnlySequence<byte>(buffer, 0, count);
                await stream.WriteAsync(isFirst ? new Chunk { Head = head, Offset = offset, Data = data } : new Chunk { Data = data }).ConfigureAwait(false);
                ClientMeter.Uploaded.Add(count);
                stall.Restart();
                (offset, isFirst) = (offset + count, false);
            }
            while (offset < head.Length);
            await stream.CompleteAsync().ConfigureAwait(false);
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    private static UploadHead HeadOf(OutboxEntry entry)
    {
        UpdateRecord record = entry.Record;
        var head = new UploadHead
        {
            TaskId = record.Task,
            Digest = ByteString.CopyFrom(Convert.FromHexString(record.Digest)),
            Length = record.Length,
            AgeSeconds = (long)entry.Age.TotalSeconds,
        };
        if (record.Steps is { } steps) head.Steps = steps;
        if (record.PlannedSteps is { } planned) head.PlannedSteps = planned;
        return head;
    }

    private static void Read(SafeFileHandle file, Span<byte> target, long offset)
    {
        while (!target.IsEmpty)
        {
            int count = RandomAccess.Read(file, target, offset);
            if (count == 0) throw new EndOfStreamException($"the update's file ends at byte {offset}");
            target = target[count..];
            offset += count;
        }
    }
}
