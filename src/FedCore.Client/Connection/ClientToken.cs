namespace FedCore.Client.Connection;

/// <summary>The secret by which a site shows who it is, from the settings or from a file, which is read again whenever the client joins.</summary>
/// <param name="token">The token; null where a file has it.</param>
/// <param name="file">The file.</param>
internal sealed class ClientToken(string? token, string? file)
{
    private volatile string? _value;

    /// <summary>The token, as it was when it was read last.</summary>
    public string Value => _value ?? Read();

    /// <summary>Reads the token.</summary>
    /// <exception cref="FedCoreException">The file cannot be read, or what stands in it, or in the settings, is no token (<c>client.token</c>).</exception>
    public string Read()
    {
        string text = (token ?? FromFile()).Trim(), place = token is null ? $"The file {Shown.Of(file!, 400)} that client.tokenFile names" : "client.token";
        if (text.Length == 0) throw Fault($"{place} is empty. Write the site's join token there, as the aggregator showed it when the site was added");
        if (!text.All(c => c is > ' ' and <= '~')) throw Fault($"{place} is no join token: it holds a blank, or a character that is not ASCII. Write the token there, and nothing else");
        return _value = text;
    }

    private string FromFile()
    {
        try
        {
            return File.ReadAllText(file!);
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            throw Fault($"client.tokenFile is {Shown.Of(file!, 400)}, which cannot be read ({Shown.Of(fault.Message.TrimEnd('.'), 400)}). Correct the path, or let this user read the file", fault);
        }
    }

    private static FedCoreException Fault(string message, Exception? cause = null) => FedCoreException.Configuration("client.token", message + ".", cause);
}
