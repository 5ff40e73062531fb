using FedCore.Privacy.Accounting;
using FedCore.Privacy.Accounting.Events;

namespace FedCore.Core.Tests.Privacy.Accounting;

internal static class AccountantExtensions
{
    /// <summary>The accountant with one more event.</summary>
    public static T With<T>(this T accountant, PrivacyEvent happened)
        where T : PrivacyAccountant
    {
        accountant.Record(happened);
        return accountant;
    }
}
