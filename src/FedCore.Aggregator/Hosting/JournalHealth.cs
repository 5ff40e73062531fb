using FedCore.Aggregator.Telemetry;
using Microsoft.Extensions.Logging;

namespace FedCore.Aggregator.Hosting;

/// <summary>Whether the journal answers. It is asked now and then, however many want to know, and not waited for longer than a moment. Safe for many threads.</summary>
/// <param name="probe">Asks it.</param>
/// <param name="clock">The clock.</param>
/// <param name="logger">Is told when that changes.</param>
internal sealed class JournalHealth(Func<CancellationToken, ValueTask> probe, TimeProvider clock, ILogger logger)
{
    /// <summary>How long an answer is good.</summary>
    public static readonly TimeSpan GoodFor = TimeSpan.FromSeconds(5);

    /// <summary>How long an answer is waited for.</summary>
    public static readonly TimeSpan Limit = TimeSpan.FromSeconds(3);

    private readonly Lock _lock = new();
    private Task<bool> _answer = Task.FromResult(true);
    private long? _asked;
    private bool _wasThere = true;

    /// <summary>Whether it answers, or did a moment ago.</summary>
    public Task<bool> AnswersAsync()
    {
        lock (_lock)
        {
            if (!_answer.IsCompleted || (_asked is { } time && clock.GetElapsedTime(time) < GoodFor)) return _answer;
            _asked = clock.GetTimestamp();
            return _answer = Task.Run(AskAsync);
        }
    }

    private async Task<bool> AskAsync()
    {
        using var limit = new CancellationTokenSource(Limit, clock);
        try
        {
            await probe(limit.Token).AsTask().WaitAsync(limit.Token).ConfigureAwait(false);
            if (!_wasThere) Log.JournalIsBack(logger);
            return _wasThere = true;
        }
        catch (Exception fault)
        {
            if (_wasThere) Log.JournalIsAway(logger, limit.IsCancellationRequested ? $"no answer within {Limit.TotalSeconds:0} s" : fault.Message);
            return _wasThere = false;
        }
    }
}
