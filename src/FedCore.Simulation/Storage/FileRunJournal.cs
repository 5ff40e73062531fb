using System.Runtime.CompilerServices;
using System.Text;
using System.Text.Json;
using FedCore.Naming;
using FedCore.Rounds;

namespace FedCore.Simulation.Storage;

/// <summary>
/// A journal in a file: one JSON line per fact. Lines are handed to the operating system when a round ends and made durable with a checkpoint, so the
/// end of the process costs at most the round in progress. A last line that was cut off is dropped.
/// </summary>
public sealed class FileRunJournal : IRunJournal, IDisposable
{
    private readonly string _path;
    private readonly RunEventJson _json;
    private readonly FileStream _file;

    /// <summary>Opens a journal, or begins one.</summary>
    /// <param name="path">The file.</param>
    /// <param name="registry">The names of the run's types.</param>
    /// <exception cref="FedCoreException">Another process has it open (<c>run.journal</c>).</exception>
    public FileRunJournal(string path, Registry registry)
    {
        _path = path;
        _json = new RunEventJson(registry);
        try
        {
            // On Unix only a file that is shared with nobody is locked against a second writer.
            _file = new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None, 1 << 16);
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            throw FedCoreException.Configuration(
                "run.journal", $"{path}: the journal cannot be opened. Another run uses this folder, or it is not yours to write to. Wait for the other run, or choose another --out.", fault);
        }
    }

    /// <inheritdoc/>
    public async IAsyncEnumerable<RunEvent> ReadAsync([EnumeratorCancellation] CancellationToken ct)
    {
        _file.Position = 0;
        long sound = 0;
        using (var reader = new StreamReader(_file, new UTF8Encoding(false), false, 1 << 16, leaveOpen: true))
        {
            int number = 0;
            for (string? line = await reader.ReadLineAsync(ct).ConfigureAwait(false); line is not null;)
            {
                string? next = await reader.ReadLineAsync(ct).ConfigureAwait(false);
                long end = sound + Encoding.UTF8.GetByteCount(line) + 1;
                bool isTorn = next is null && end > _file.Length;
                if (isTorn) break;
                sound = end;
                number++;
                yield return Parse(line, number);
                line = next;
            }
        }

        _file.SetLength(sound);
        _file.Position = sound;
    }

    /// <inheritdoc/>
    public ValueTask AppendAsync(RunEvent fact, CancellationToken ct)
    {
        ArgumentNullException.ThrowIfNull(fact);
        _file.Write(_json.ToUtf8Bytes(fact));
        _file.WriteByte((byte)'\n');
        if (fact is CheckpointSaved or RunEnded) _file.Flush(flushToDisk: true);
        else if (fact is RoundEnded or EvaluationEnded or RunOpened) _file.Flush();
        return ValueTask.CompletedTask;
    }

    /// <inheritdoc/>
    public void Dispose() => _file.Dispose();

    private RunEvent Parse(string line, int number)
    {
        try
        {
            return _json.Parse(line);
        }
        catch (JsonException fault)
        {
            throw FedCoreException.Configuration(
                "run.journal", $"{_path} line {number}: the journal is damaged ({fault.Message}). Remove its folder to start the run anew.", fault);
        }
    }
}
