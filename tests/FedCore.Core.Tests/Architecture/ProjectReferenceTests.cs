using System.Xml.Linq;
using FedCore.Rounds;
using FedCore.Tests;

namespace FedCore.Core.Tests.Architecture;

/// <summary>The arrows between the projects, as their project files draw them.</summary>
public class ProjectReferenceTests
{
    public static TheoryData<string> Projects =>
        [.. Directory.EnumerateFiles(Path.Combine(SharedData.Repository, "src"), "*.csproj", SearchOption.AllDirectories)
            .Select(Path.GetFileNameWithoutExtension).OfType<string>().Order()];

    [Theory]
    [MemberData(nameof(Projects))]
    public void Project_references_only_what_it_may_know(string project)
    {
        Assert.True(Arrows.Allowed.TryGetValue(project, out string[]? allowed), $"{project} is new: give it a row in tests/Shared/Arrows.cs.");
        XDocument file = XDocument.Load(Path.Combine(SharedData.Repository, "src", project, project + ".csproj"));
        string[] references =
            [.. file.Descendants("ProjectReference").Select(r => Path.GetFileNameWithoutExtension(r.Attribute("Include")!.Value.Replace('\\', '/')))];
        Assert.Empty(references.Except(allowed));
    }

    [Fact]
    public void Core_is_compiled_against_no_other_part_of_FedCore() => Assert.DoesNotContain(
        typeof(RunPlan).Assembly.GetReferencedAssemblies(), name => name.Name!.StartsWith("FedCore", StringComparison.OrdinalIgnoreCase));

    [Theory]
    [InlineData("FedCore.Training")]
    [InlineData("FedCore.Client")]
    [InlineData("FedCore.Simulation")]
    public void Aggregator_never_reaches(string assembly) => Assert.DoesNotContain(assembly, Arrows.Reach("FedCore.Aggregator"));
}
