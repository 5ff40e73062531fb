using System.Globalization;
using Microsoft.Extensions.Logging;

namespace FedCore.Hosting.Telemetry;

/// <summary>Writes each message on a line: time, level, number of the event, message.</summary>
internal sealed class LineLogger(TextWriter output, TimeProvider clock) : ILogger, ILoggerProvider
{
    private readonly Lock _lock = new();

    public ILogger CreateLogger(string categoryName) => this;

    public IDisposable? BeginScope<TState>(TState state)
        where TState : notnull => null;

    public bool IsEnabled(LogLevel logLevel) => logLevel != LogLevel.None;

    public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
    {
        string level = logLevel switch
        {
            LogLevel.Warning => "warning",
            LogLevel.Error => "error",
            LogLevel.Critical => "fatal",
            LogLevel.Information => "info",
            _ => "debug",
        };
        string line = string.Create(CultureInfo.InvariantCulture, $"{clock.GetUtcNow():yyyy-MM-dd'T'HH:mm:ss.fff'Z'} {level,-7} [{eventId.Id}] {formatter(state, exception)}");
        lock (_lock)
        {
            output.WriteLine(line);
            if (exception is not null) output.WriteLine(exception);
            output.Flush();
        }
    }

    public void Dispose()
    {
    }
}
