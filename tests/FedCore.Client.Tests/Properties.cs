using FedCore.Tests;

[assembly: AssemblyFixture(typeof(PostgresServer))]
