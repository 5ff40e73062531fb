using System.Buffers;
using FedCore.Updates;

namespace FedCore.Aggregator.Spooling;

/// <summary>
/// A large update that arrives in pieces, in a file that already begins as a segment does. It survives a restart: who stages the same label again goes on where
/// it stopped. Who stages it twice takes it over from the first, whose calls are then refused: a client that lost its connection need not wait for the
/// aggregator to notice.
/// </summary>
internal sealed class StagedUpload : IDisposable
{
    /// <summary>The code of an upload that somebody else has taken over, or that was given up.</summary>
    public const string Superseded = "upload.superseded";

    /// <summary>The code of an upload that is just being completed.</summary>
    public const string Busy = "upload.busy";

    /// <summary>The code of an update whose bytes are not those of its digest.</summary>
    public const string WrongDigest = "update.digest";

    /// <summary>The code of an update that is not of the length that it was announced with.</summary>
    public const string WrongLength = "update.length";

    /// <summary>What is said to who wants an upload that is just being completed.</summary>
    public const string BusyMessage = "The upload is being completed. Ask for the update in a moment.";

    private readonly Lock _gate = new();
    private readonly StagedUploads _owner;
    private StagedFile? _file;
    private bool _isCompleting;

    /// <param name="owner">Where it is known by its label.</param>
    /// <param name="file">Its file, which is its own from now on.</param>
    public StagedUpload(StagedUploads owner, StagedFile file)
    {
        (_owner, _file) = (owner, file);
        (Key, Label, Length) = (file.Key, SpoolFormat.Label(file.Head), SpoolFormat.PayloadLength(file.Head));
    }

    /// <summary>What its label is known by.</summary>
    public string Key { get; }

    /// <summary>What the caller wrote on it.</summary>
    public ReadOnlyMemory<byte> Label { get; }

    /// <summary>Bytes of the whole payload.</summary>
    public long Length { get; }

    /// <summary>Whether it can be left as it is.</summary>
    public bool IsAtRest
    {
        get
        {
            lock (_gate) return _file is { HasFailed: false } && !_isCompleting;
        }
    }

    /// <summary>Bytes that are there: where the sender goes on.</summary>
    /// <exception cref="FedCoreException">It is no longer the caller's (<see cref="Superseded"/>).</exception>
    public long Offset
    {
        get
        {
            lock (_gate) return Mine().Offset;
        }
    }

    /// <summary>Adds bytes behind the others. They survive the end of the process; only what is complete survives a loss of power for certain.</summary>
    /// <param name="bytes">The bytes.</param>
    /// <returns>How many bytes are there with them.</returns>
    /// <exception cref="UpdateRefusedException">They are more than were announced (<see cref="WrongLength"/>). What was there stays.</exception>
    /// <exception cref="FedCoreException">There is no room (<c>spool.full</c>), or it is no longer the caller's. What was there stays.</exception>
    public long Write(ReadOnlySequence<byte> bytes)
    {
        lock (_gate)
        {
            StagedFile file = Mine();
            if (bytes.Length > Length - file.Offset)
            {
                throw new UpdateRefusedException(
                    WrongLength, $"The upload has {file.Offset} of {Length} bytes, and {bytes.Length} more came. Send it from byte {file.Offset} on, or announce its length anew.");
            }

            file.Write(bytes);
            return file.Offset;
        }
    }

    /// <summary>Makes the update durable; it is a segment from then on.</summary>
    /// <returns>The update.</returns>
    /// <exception cref="UpdateRefusedException">
    /// Bytes are missing (<see cref="WrongLength"/>), which can still be sent; or they are not those of the digest (<see cref="WrongDigest"/>), or they are, and its check
    /// refuses them, and the upload is gone.
    /// </exception>
    /// <exception cref="FedCoreException">It could not be checked, or made durable, and is gone (<c>spool.sync</c>, <c>spool.full</c>), or it is no longer the caller's.</exception>
    public async ValueTask<SpooledUpdate> CompleteAsync()
    {
        StagedFile file;
        bool isSound;
        lock (_gate)
        {
            file = Mine();
            if (file.Offset < Length) throw new UpdateRefusedException(WrongLength, $"The upload has {file.Offset} of {Length} bytes. Send the rest.");
            isSound = file.IsDigestRight();
            _isCompleting = true;
        }

        try
        {
            if (isSound && file.Fault is null) return await _owner.SealAsync(file).ConfigureAwait(false);
            _owner.Drop(file);
            throw isSound ? file.Fault! : new UpdateRefusedException(WrongDigest, "The bytes of the upload are not those of the digest that it was announced with. Send it again from the beginning.");
        }
        finally
        {
            lock (_gate) _file = null;
            _owner.Forget(this);
        }
    }

    /// <summary>Gives the upload up; what was sent is dropped.</summary>
    public void Discard()
    {
        if (!TryTake(out StagedFile? file) || file is null) return;
        _owner.Drop(file);
        _owner.Forget(this);
    }

    /// <summary>Leaves the upload as it is, to be staged again later; the file may stay open.</summary>
    public void Dispose()
    {
        if (IsAtRest) _owner.KeepOpen(this);
        else Close();
    }

    /// <summary>Leaves the upload as it is, and closes its file.</summary>
    public void Close()
    {
        if (!TryTake(out StagedFile? file) || file is null) return;
        file.Dispose();
        _owner.Forget(this);
    }

    /// <summary>Hashes a part of what was there before.</summary>
    /// <returns>Whether more is to be hashed.</returns>
    public bool CatchUp()
    {
        lock (_gate) return Mine().CatchUp();
    }

    /// <summary>Takes the file away from whoever has it.</summary>
    /// <param name="file">The file; null where it is gone already.</param>
    /// <returns>False where the upload is being completed.</returns>
    public bool TryTake(out StagedFile? file)
    {
        lock (_gate)
        {
            file = null;
            if (_isCompleting && _file is not null) return false;
            (file, _file) = (_file, null);
            return true;
        }
    }

    private StagedFile Mine()
    {
        if (_isCompleting && _file is not null) throw FedCoreException.RunFailed(Busy, BusyMessage);
        return _file ?? throw FedCoreException.RunFailed(Superseded, "The upload was taken up again over another connection, or given up. Stage it again to go on.");
    }
}
