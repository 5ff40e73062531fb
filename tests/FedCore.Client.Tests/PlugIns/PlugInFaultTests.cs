using FedCore.Client.Tests.Data;
using FedCore.Naming;
using FedCore.Naming.PlugIns;
using FedCore.Tests;

namespace FedCore.Client.Tests.PlugIns;

/// <summary>A plug-in that cannot be used is refused before anything else begins, with its file and the remedy.</summary>
public sealed class PlugInFaultTests : IDisposable
{
    private static readonly Version Here = typeof(Registry).Assembly.GetName().Version!;

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("absent.dll")]
    [InlineData("")]
    [InlineData("a\0b.dll")]
    public void A_file_that_cannot_be_read_is_named_with_its_place_in_the_settings(string path) => Refuses(path, "plugin.file", "plugIns[0].path is '", "cannot be read");

    [Fact]
    public void Text_is_no_assembly()
    {
        _folder.File("plugin.dll", "MZ, as it were");
        Refuses("plugin.dll", "plugin.assembly", _folder["plugin.dll"], "not a .NET assembly");
    }

    [Fact]
    public void A_native_library_is_no_assembly()
    {
        byte[] library = File.ReadAllBytes(Path.Combine(Path.GetDirectoryName(typeof(object).Assembly.Location)!, OperatingSystem.IsWindows() ? "coreclr.dll" : "libcoreclr.so"));
        _folder.File("plugin.dll", library);
        Refuses("plugin.dll", "plugin.assembly", "not a .NET assembly");
    }

    [Fact]
    public void A_truncated_assembly_is_none()
    {
        byte[] whole = File.ReadAllBytes(Path.Combine(SamplePlugIn.Folder, SamplePlugIn.File));
        _folder.File("plugin.dll", whole[..(whole.Length / 2)]);
        Refuses("plugin.dll", "plugin.assembly", "not a .NET assembly");
    }

    [Fact]
    public void A_changed_file_is_refused_by_its_digest()
    {
        SamplePlugIn.CopyTo(_folder);
        string pinned = SamplePlugIn.Load(_folder.Path, new PlugInReference { Path = SamplePlugIn.File }).Loaded[0].Sha256;
        File.AppendAllText(_folder[SamplePlugIn.File], "x");
        RefusesPinned(SamplePlugIn.File, pinned, "plugin.digest", _folder[SamplePlugIn.File], pinned, "plugIns[0].sha256");
    }

    [Theory]
    [InlineData(0, 0)]
    [InlineData(0, 99)]
    [InlineData(1, 0)]
    public void A_plug_in_that_was_built_against_another_FedCore_is_refused_by_the_versions(int major, int minor)
    {
        MadeAssembly.Save(_folder["plugin.dll"], new Version(major, minor, 0, 0), MadeAssembly.Flaw.None);
        Refuses("plugin.dll", "plugin.version", $"FedCore.Core {major}.{minor}.0", $"this program has {Here.ToString(3)}");
    }

    [Fact]
    public void A_made_plug_in_without_a_flaw_is_loaded()
    {
        MadeAssembly.Save(_folder["plugin.dll"], Here, MadeAssembly.Flaw.None);
        LoadedPlugIn plugIn = SamplePlugIn.Load(_folder.Path, new PlugInReference { Path = "plugin.dll" }).Loaded[0];
        Assert.Equal("Made", plugIn.Assembly);
        Assert.Empty(plugIn.Parts);
    }

    // Of the same version, as it may be between two releases.
    [Theory]
    [InlineData(MadeAssembly.Flaw.UsesVanishedType, "plugin.version", "FedCore.Naming.Vanished")]
    [InlineData(MadeAssembly.Flaw.UsesVanishedMember, "plugin.version", "Vanished")]
    [InlineData(MadeAssembly.Flaw.DerivesFromVanishedType, "plugin.version", "FedCore.Naming.Vanished")]
    [InlineData(MadeAssembly.Flaw.NoPlugIn, "plugin.empty", "FedCore.Naming.IPlugIn")]
    [InlineData(MadeAssembly.Flaw.NotPublic, "plugin.empty", "FedCore.Naming.IPlugIn")]
    [InlineData(MadeAssembly.Flaw.NoConstructor, "plugin.failed", "Made.PlugIn", "constructor without parameters")]
    [InlineData(MadeAssembly.Flaw.Throws, "plugin.failed", "Made.PlugIn", "no licence found")]
    internal void A_plug_in_that_does_not_fit_is_refused(MadeAssembly.Flaw flaw, string code, params string[] names)
    {
        MadeAssembly.Save(_folder["plugin.dll"], Here, flaw);
        Refuses("plugin.dll", code, [_folder["plugin.dll"], .. names]);
    }

    [Fact]
    public void An_assembly_that_is_no_plug_in_is_refused() => Refuses(
        Path.Combine(SamplePlugIn.Folder, SamplePlugIn.Dependency), "plugin.empty", SamplePlugIn.Dependency, "FedCore.Naming.IPlugIn");

    [Fact]
    public void A_name_that_is_taken_is_refused()
    {
        SamplePlugIn.CopyTo(_folder);
        var plugIn = new PlugInReference { Path = SamplePlugIn.File };
        var fault = Assert.Throws<FedCoreException>(() => SamplePlugIn.Load(_folder.Path, plugIn, plugIn));
        Examples.AssertFault(fault, FaultKind.Configuration, "plugin.name", "FedCore.PlugIn.Sample.SamplePlugIn", "'counting' names FedCore.PlugIn.Sample.CountingTrainer already");
    }

    // Nothing asks for it before a part is used, which is too late to say so.
    [Fact]
    public void What_a_plug_in_needs_and_has_not_is_named()
    {
        SamplePlugIn.CopyTo(_folder, without: SamplePlugIn.Dependency);
        Refuses(SamplePlugIn.File, "plugin.dependency", "FedCore.PlugIn.Sample.Units", "into its folder");
    }

    private void Refuses(string path, string code, params string[] names) => RefusesPinned(path, null, code, names);

    private void RefusesPinned(string path, string? sha256, string code, params string[] names) => Examples.AssertFault(
        Assert.Throws<FedCoreException>(() => SamplePlugIn.Load(_folder.Path, new PlugInReference { Path = path, Sha256 = sha256 })), FaultKind.Configuration, code, names);
}
