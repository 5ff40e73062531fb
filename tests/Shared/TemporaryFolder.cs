namespace FedCore.Tests;

/// <summary>A folder of its own for a test, which goes away with it.</summary>
internal sealed class TemporaryFolder : IDisposable
{
    public string Path { get; } = Directory.CreateTempSubdirectory("fedcore-test-").FullName;

    /// <summary>The path of a file in it, whether it is there or not.</summary>
    public string this[string name] => System.IO.Path.Combine(Path, name);

    /// <summary>Writes a file.</summary>
    public string File(string name, string content) => File(name, System.Text.Encoding.UTF8.GetBytes(content));

    /// <summary>Writes a file.</summary>
    public string File(string name, byte[] content)
    {
        System.IO.File.WriteAllBytes(this[name], content);
        return this[name];
    }

    public void Dispose() => Directory.Delete(Path, recursive: true);
}
