using System.CommandLine;
using System.Globalization;
using System.Numerics;

namespace FedCore.Cli;

/// <summary>Options that take a whole number.</summary>
internal static class NumberOption
{
    /// <summary>An option that may be left out. The parser's own message of what is no number names a type of .NET.</summary>
    public static Option<T?> Create<T>(string name, string description)
        where T : struct, IBinaryInteger<T>, IMinMaxValue<T> => new(name)
        {
            Description = description,
            HelpName = "N",
            CustomParser = result =>
            {
                string text = result.Tokens.Single().Value;
                if (T.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out T number)) return number;
                result.AddError($"{name} is '{Shown.Of(text)}', which is no whole number from {T.MinValue} to {T.MaxValue}.");
                return null;
            },
        };
}
