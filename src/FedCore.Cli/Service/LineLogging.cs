using System.Globalization;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace FedCore.Cli.Service;

/// <summary>A log of a line per message: time, level, number of the event, message.</summary>
internal static class LineLogging
{
    public static ILoggingBuilder AddLines(this ILoggingBuilder builder, TextWriter output)
    {
        builder.SetMinimumLevel(LogLevel.Information).AddFilter("Microsoft", LogLevel.Warning);
        builder.Services.AddSingleton<ILoggerProvider>(new Provider(output));
        return builder;
    }

    private sealed class Provider(TextWriter output) : ILoggerProvider, ILogger
    {
        private readonly Lock _lock = new();

        public ILogger CreateLogger(string categoryName) => this;

        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => logLevel != LogLevel.None;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            string line = string.Create(
                CultureInfo.InvariantCulture, $"{TimeProvider.System.GetUtcNow():yyyy-MM-dd'T'HH:mm:ss.fff'Z'} {Name(logLevel),-7} [{eventId.Id}] {formatter(state, exception)}");
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

        private static string Name(LogLevel level) => level switch
        {
            LogLevel.Warning => "warning",
            LogLevel.Error => "error",
            LogLevel.Critical => "fatal",
            LogLevel.Information => "info",
            _ => "debug",
        };
    }
}
