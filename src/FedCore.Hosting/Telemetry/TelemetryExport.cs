using OpenTelemetry;
using OpenTelemetry.Exporter;
using OpenTelemetry.Metrics;
using OpenTelemetry.Resources;
using OpenTelemetry.Trace;

namespace FedCore.Hosting.Telemetry;

/// <summary>What a program measures and does, on its way out: to a collector of OpenTelemetry, by OTLP over HTTP, or to whoever asks.</summary>
internal sealed class TelemetryExport : IDisposable
{
    private readonly TracerProvider? _traces;

    private TelemetryExport(MeterProvider meters, TracerProvider? traces) => (Meters, _traces) = (meters, traces);

    /// <summary>The measurements.</summary>
    public MeterProvider Meters { get; }

    /// <summary>The collector that a setting names.</summary>
    /// <param name="address">The setting; null for none.</param>
    /// <param name="key">What the setting is called, for messages.</param>
    /// <exception cref="FedCoreException">It is no address (<c>otlp.address</c>).</exception>
    public static Uri? CollectorOf(string? address, string key)
    {
        if (address is null) return null;
        return Uri.TryCreate(address.TrimEnd('/') + "/", UriKind.Absolute, out Uri? uri) && uri is { Scheme: "http" or "https", Query: "", Fragment: "", UserInfo: "" }
            ? uri
            : throw FedCoreException.Configuration("otlp.address", $"{key} is '{Shown.Of(address)}', which is no address of a collector. Give one such as http://localhost:4318, without /v1/metrics.");
    }

    /// <summary>Begins to export the meter and the activities of FedCore, and .NET's own measurements.</summary>
    /// <param name="service">The program, as a collector knows it.</param>
    /// <param name="collector">Where they are sent; null for nowhere.</param>
    /// <param name="more">Who else wants the measurements.</param>
    public static TelemetryExport Start(string service, Uri? collector, Action<MeterProviderBuilder>? more = null)
    {
        MeterProviderBuilder meters = Sdk.CreateMeterProviderBuilder().ConfigureResource(Describe).AddMeter(FedCoreTelemetry.Name, "System.Runtime");
        more?.Invoke(meters);
        if (collector is null) return new TelemetryExport(meters.Build(), null);
        meters.AddOtlpExporter(options => Send(options, "v1/metrics"));
        TracerProviderBuilder traces = Sdk.CreateTracerProviderBuilder().ConfigureResource(Describe).AddSource(FedCoreTelemetry.Name).AddOtlpExporter(options => Send(options, "v1/traces"));
        return new TelemetryExport(meters.Build(), traces.Build());

        void Describe(ResourceBuilder resource) => resource.AddService(service, serviceVersion: typeof(TelemetryExport).Assembly.GetName().Version!.ToString(3));
        void Send(OtlpExporterOptions options, string path) => (options.Protocol, options.Endpoint) = (OtlpExportProtocol.HttpProtobuf, new Uri(collector, path));
    }

    /// <summary>Sends what is left, and ends.</summary>
    public void Dispose()
    {
        _traces?.Dispose();
        Meters.Dispose();
    }
}
