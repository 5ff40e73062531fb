using System.Net;
using System.Net.Sockets;
using System.Text;
using FedCore.Protocol.Connections;
using FedCore.Tests;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;

namespace FedCore.Protocol.Tests.Connections;

/// <summary>A port without TLS, on a real socket, for whatever speaks HTTP/1.1 or HTTP/2.</summary>
public class ProtocolSwitchTests
{
    private const string Http2 = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

    // A frame's type is its fourth byte (RFC 9113, section 4.1); 4 is that of SETTINGS, with which a server of HTTP/2 begins.
    private const int TypeAt = 3, Settings = 4;

    private static readonly TimeSpan Soon = TimeSpan.FromSeconds(10);

    [Theory]
    [InlineData("1.1")]
    [InlineData("2.0")]
    public async Task A_port_serves_both(string version)
    {
        await using WebApplication app = await StartAsync();
        using var http = new HttpClient();
        using var request = new HttpRequestMessage(HttpMethod.Get, app.Urls.Single(url => !ProtocolSwitch.IsInner(url)))
        {
            Version = Version.Parse(version),
            VersionPolicy = HttpVersionPolicy.RequestVersionExact,
        };
        using HttpResponseMessage response = await http.SendAsync(request, TestContext.Current.CancellationToken);
        Assert.Equal(version == "2.0" ? "HTTP/2" : "HTTP/1.1", await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken));
    }

    [Theory]
    [InlineData("GET")]
    [InlineData("POST")]
    [InlineData("PROPFIND")]
    [InlineData("PRI")]
    public async Task A_request_of_http1_may_come_byte_by_byte(string method)
    {
        await using WebApplication app = await StartAsync();
        using TcpClient client = await ConnectAsync(app);
        await DripAsync(client, $"{method} / HTTP/1.1\r\nhost: here\r\ncontent-length: 0\r\n\r\n");
        Assert.StartsWith("HTTP/1.1 200 OK", Encoding.ASCII.GetString(await ReadAsync(client, 15)), StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_preface_of_http2_may_come_byte_by_byte()
    {
        await using WebApplication app = await StartAsync();
        using TcpClient client = await ConnectAsync(app);
        await DripAsync(client, Http2);
        Assert.Equal(Settings, (await ReadAsync(client, TypeAt + 1))[TypeAt]);
    }

    [Theory]
    [InlineData("\u0016\u0003\u0001\u0002\0\u0001\0")]
    [InlineData("PRO\r\n\r\n")]
    [InlineData("\0\0\0\0\r\n\r\n")]
    public async Task What_is_neither_is_answered_as_http1(string bytes)
    {
        await using WebApplication app = await StartAsync();
        using TcpClient client = await ConnectAsync(app);
        await client.GetStream().WriteAsync(Encoding.Latin1.GetBytes(bytes), TestContext.Current.CancellationToken);
        Assert.StartsWith("HTTP/1.1 400", Encoding.ASCII.GetString(await ReadAsync(client, 12)), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("")]
    [InlineData("PR")]
    [InlineData("PRI * HTTP/2.0")]
    public async Task Who_says_nothing_for_half_a_minute_is_hung_up_on(string bytes)
    {
        var clock = new HandClock();
        await using WebApplication app = await StartAsync(clock);
        using TcpClient client = await ConnectAsync(app);
        await DripAsync(client, bytes);
        while (clock.Waiting == 0) await Task.Delay(5, TestContext.Current.CancellationToken);
        Task<bool> ended = EndsAsync(client);
        clock.Move(TimeSpan.FromSeconds(29));
        Assert.NotSame(ended, await Task.WhenAny(ended, Task.Delay(50, TestContext.Current.CancellationToken)));
        clock.Move(TimeSpan.FromSeconds(1));
        Assert.True(await ended.WaitAsync(Soon, TestContext.Current.CancellationToken));
    }

    [Theory]
    [InlineData("")]
    [InlineData("PR")]
    public async Task A_server_that_stops_does_not_wait_for_who_says_nothing(string bytes)
    {
        await using WebApplication app = await StartAsync();
        using TcpClient client = await ConnectAsync(app);
        await DripAsync(client, bytes);
        await app.StopAsync(TestContext.Current.CancellationToken).WaitAsync(Soon, TestContext.Current.CancellationToken);
        Assert.True(await EndsAsync(client).WaitAsync(Soon, TestContext.Current.CancellationToken));
    }

    private static async Task<WebApplication> StartAsync(TimeProvider? clock = null)
    {
        var either = new ProtocolSwitch(clock ?? TimeProvider.System);
        WebApplicationBuilder builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.WebHost.UseKestrelCore().ConfigureKestrel(kestrel =>
        {
            either.AddInner(kestrel);
            kestrel.Listen(IPAddress.Loopback, 0, either.Serve);
        });
        builder.Services.AddSingleton<IConnectionListenerFactory>(either);
        WebApplication app = builder.Build();
        app.Run(context => context.Response.WriteAsync(context.Request.Protocol));
        await app.StartAsync(TestContext.Current.CancellationToken);
        return app;
    }

    private static async Task<TcpClient> ConnectAsync(WebApplication app)
    {
        var client = new TcpClient { NoDelay = true };
        await client.ConnectAsync(IPAddress.Loopback, new Uri(app.Urls.Single(url => !ProtocolSwitch.IsInner(url))).Port, TestContext.Current.CancellationToken);
        return client;
    }

    private static async Task DripAsync(TcpClient client, string bytes)
    {
        foreach (byte next in Encoding.Latin1.GetBytes(bytes))
        {
            await client.GetStream().WriteAsync(new[] { next }, TestContext.Current.CancellationToken);
            await Task.Delay(2, TestContext.Current.CancellationToken);
        }
    }

    private static async Task<byte[]> ReadAsync(TcpClient client, int count)
    {
        byte[] bytes = new byte[count];
        await client.GetStream().ReadExactlyAsync(bytes, TestContext.Current.CancellationToken).AsTask().WaitAsync(Soon, TestContext.Current.CancellationToken);
        return bytes;
    }

    private static async Task<bool> EndsAsync(TcpClient client)
    {
        try
        {
            return await client.GetStream().ReadAsync(new byte[1], TestContext.Current.CancellationToken) == 0;
        }
        catch (IOException)
        {
            return true;
        }
    }
}
