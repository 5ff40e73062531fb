using System.Collections.Concurrent;
using Microsoft.Extensions.Logging;

namespace FedCore.Aggregator.Tests.Services;

/// <summary>Keeps what an aggregator, or what lies beneath it, takes for a defect, and what the latter warns of.</summary>
internal sealed class ErrorLog : ILoggerProvider
{
    private readonly ConcurrentQueue<string> _errors = [], _warnings = [];

    public IReadOnlyList<string> Errors => [.. _errors];

    public IReadOnlyList<string> FrameworkWarnings => [.. _warnings];

    public ILogger CreateLogger(string categoryName) => new Logger(this, categoryName.StartsWith("Microsoft.", StringComparison.Ordinal));

    public void Dispose()
    {
    }

    private sealed class Logger(ErrorLog owner, bool isFramework) : ILogger
    {
        public bool IsEnabled(LogLevel logLevel) => logLevel >= (isFramework ? LogLevel.Warning : LogLevel.Error);

        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            if (IsEnabled(logLevel)) (logLevel == LogLevel.Warning ? owner._warnings : owner._errors).Enqueue($"{formatter(state, exception)} {exception}");
        }
    }
}
