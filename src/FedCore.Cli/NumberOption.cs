using System.CommandLine;
using System.Globalization;
using System.Numerics;

namespace FedCore.Cli;

/// <summary>Options that take a number.</summary>
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
                bool isWhole = BigInteger.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out _);
                result.AddError($"{name} is '{Shown.Of(text)}', which is no whole number{(isWhole ? $" from {T.MinValue} to {T.MaxValue}" : "")}.");
                return null;
            },
        };

    /// <summary>An option that takes any number, and may be left out.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="description">What it is.</param>
    /// <param name="example">What could be given instead of what is no number.</param>
    /// <param name="value">What it is where it is left out; null for nothing.</param>
    public static Option<double?> Real(string name, string description, string example, double? value = null)
    {
        var option = new Option<double?>(name)
        {
            Description = description,
            HelpName = "NUMBER",
            CustomParser = result =>
            {
                string text = result.Tokens.Single().Value;
                if (double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out double number) && !double.IsNaN(number)) return number;
                result.AddError($"{name} is '{Shown.Of(text)}', which is no number. Give one such as {example}.");
                return null;
            },
        };
        if (value is not null) option.DefaultValueFactory = _ => value;
        return option;
    }
}
