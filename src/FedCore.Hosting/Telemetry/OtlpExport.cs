using OpenTelemetry;
using OpenTelemetry.Exporter;
using OpenTelemetry.Metrics;
using OpenTelemetry.Resources;
using OpenTelemetry.Trace;

namespace FedCore.Hosting.Telemetry;

/// <summary>What a program measures and does, on its way to a collector of OpenTelemetry, by OTLP over HTTP.</summary>
internal static class OtlpExport
{
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

    /// <summary>Measurements of the meter <c>FedCore</c> and of .NET itself.</summary>
    /// <param name="service">The program, as a collector knows it.</param>
    /// <param name="collector">Where they are sent; null for nowhere.</param>
    public static MeterProviderBuilder Metrics(string service, Uri? collector)
    {
        MeterProviderBuilder builder = Sdk.CreateMeterProviderBuilder().ConfigureResource(resource => Describe(resource, service)).AddMeter(FedCoreTelemetry.Name, "System.Runtime");
        return collector is null ? builder : builder.AddOtlpExporter(options => Send(options, collector, "v1/metrics"));
    }

    /// <summary>Activities of the source <c>FedCore</c>.</summary>
    /// <param name="service">The program, as a collector knows it.</param>
    /// <param name="collector">Where they are sent.</param>
    public static TracerProvider Traces(string service, Uri collector) => Sdk.CreateTracerProviderBuilder().ConfigureResource(resource => Describe(resource, service))
        .AddSource(FedCoreTelemetry.Name).AddOtlpExporter(options => Send(options, collector, "v1/traces")).Build();

    private static void Describe(ResourceBuilder resource, string service) =>
        resource.AddService(service, serviceVersion: typeof(OtlpExport).Assembly.GetName().Version!.ToString(3));

    private static void Send(OtlpExporterOptions options, Uri collector, string path) =>
        (options.Protocol, options.Endpoint) = (OtlpExportProtocol.HttpProtobuf, new Uri(collector, path));
}
