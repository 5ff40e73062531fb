using System.Text.Json;
using FedCore.Client.State;
using FedCore.Client.Storage;
using FedCore.Protocol.Transfers;

namespace FedCore.Client.Outbox;

/// <summary>An update that is being written. It is one when its folder has its name: then its bytes, its record and what was learned for it are all there.</summary>
internal sealed class UpdateDraft : IDisposable
{
    private readonly Disk _disk;
    private readonly string _folder, _target;
    private readonly bool _withholds;
    private readonly UpdateFileWriter _writer;
    private (long Length, string Digest) _content;

    /// <param name="target">The folder that it gets.</param>
    /// <param name="withholds">Whether its bytes stay here, and what is sent says that it is ready.</param>
    /// <param name="disk">Writes it.</param>
    public UpdateDraft(string target, bool withholds, Disk disk)
    {
        (_target, _folder, _withholds, _disk) = (target, target + Suffix, withholds, disk);
        disk.DeleteFolder(_folder);
        disk.CreateFolder(_folder);
        _writer = new UpdateFileWriter(BytesFile, disk);
    }

    /// <summary>How folders of drafts end.</summary>
    public const string Suffix = ".draft";

    /// <summary>Takes the update's bytes.</summary>
    public System.Buffers.IBufferWriter<byte> Bytes => _writer;

    private string BytesFile => Path.Combine(_folder, _withholds ? UpdateOutbox.ResultFile : UpdateOutbox.UpdateFile);

    /// <summary>Ends the writing of the update's bytes.</summary>
    /// <returns>The bytes, to be looked at.</returns>
    public UpdateFileReader Seal()
    {
        _content = _writer.Complete();
        _writer.Dispose();
        return new UpdateFileReader(BytesFile);
    }

    /// <summary>Makes the draft an update, at once and for good.</summary>
    /// <param name="record">What to write down of it; its digest and length are those of what is sent.</param>
    /// <param name="state">What was learned for it; null for nothing that is kept.</param>
    /// <returns>What was written down.</returns>
    public UpdateRecord Complete(UpdateRecord record, SiteState? state)
    {
        if (_withholds)
        {
            _disk.Write(Path.Combine(_folder, UpdateOutbox.UpdateFile), ReadyAnswer.Bytes.Span);
            _content = (ReadyAnswer.Bytes.Length, Convert.ToHexStringLower(ReadyAnswer.Digest.Span));
        }

        record = record with { Digest = _content.Digest, Length = _content.Length, KeepsState = state is not null, Withholds = _withholds };
        if (state is not null)
        {
            string kept = Path.Combine(_folder, UpdateOutbox.StateFolder);
            _disk.CreateFolder(kept);
            state.Save(kept, _disk);
            _disk.SyncFolder(kept);
        }

        _disk.Write(Path.Combine(_folder, UpdateOutbox.RecordFile), JsonSerializer.SerializeToUtf8Bytes(record, JsonSerializerOptions.Web));
        _disk.Move(_folder, _target);
        return record;
    }

    public void Dispose()
    {
        _writer.Dispose();
        try
        {
            _disk.DeleteFolder(_folder);
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            // It goes at the next start.
        }
    }
}
