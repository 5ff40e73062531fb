using System.Collections.Concurrent;
using Microsoft.Extensions.Logging;

namespace FedCore.Client.Tests.Fakes;

/// <summary>What was logged.</summary>
internal sealed class LogLines : ILogger
{
    public ConcurrentQueue<(LogLevel Level, int Id, string Text)> All { get; } = new();

    public bool Has(int id) => All.Any(line => line.Id == id);

    public int Count(int id) => All.Count(line => line.Id == id);

    public string Text(int id) => All.First(line => line.Id == id).Text;

    public IDisposable? BeginScope<TState>(TState state)
        where TState : notnull => null;

    public bool IsEnabled(LogLevel logLevel) => true;

    public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter) =>
        All.Enqueue((logLevel, eventId.Id, formatter(state, exception)));
}
