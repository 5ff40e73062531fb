using FedCore.Tests;

namespace FedCore.IntegrationTests;

/// <summary>Tests with the hospitals' data, which are skipped where it is absent.</summary>
public abstract class HospitalTests
{
    protected HospitalTests() => SharedData.Require(Hospitals.DataFolder);
}
