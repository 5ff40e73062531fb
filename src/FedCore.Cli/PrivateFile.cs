namespace FedCore.Cli;

/// <summary>Files that only their owner may read, and that are written once.</summary>
internal static class PrivateFile
{
    /// <summary>Writes a file whose content there will be no other copy of: before there is any it is sure that it can be written, and that nothing is overwritten.</summary>
    /// <param name="path">The file.</param>
    /// <param name="refusal">What to say where it is there already, behind its name.</param>
    /// <param name="content">Makes the content.</param>
    public static async Task WriteAsync(string path, string refusal, Func<Task<string>> content)
    {
        if (Path.Exists(path)) throw FedCoreException.Configuration("file.exists", $"{Shown.Of(path, 400)} is there already, {refusal}");
        var options = new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write };
        if (!OperatingSystem.IsWindows()) options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
        var file = new StreamWriter(path, options);
        try
        {
            await using (file) await file.WriteAsync(await content());
        }
        catch
        {
            File.Delete(path);
            throw;
        }
    }
}
