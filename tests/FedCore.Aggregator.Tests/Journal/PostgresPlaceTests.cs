using FedCore.Aggregator.Journal;
using Npgsql;

namespace FedCore.Aggregator.Tests.Journal;

public class PostgresPlaceTests
{
    [Fact]
    public void A_session_notices_a_server_that_is_gone_unless_its_owner_says_otherwise()
    {
        var own = new NpgsqlConnectionStringBuilder(new PostgresPlace("Host=h").SessionString);
        Assert.Equal((10, 15, false), (own.KeepAlive, own.CommandTimeout, own.Pooling));
        var told = new NpgsqlConnectionStringBuilder(new PostgresPlace("Host=h;Keepalive=0;CommandTimeout=60;Pooling=true").SessionString);
        Assert.Equal((60, false), (told.CommandTimeout, told.Pooling));
    }

    [Fact]
    public void Schemas_have_locks_of_their_own_and_their_names_are_quoted()
    {
        Assert.NotEqual(new PostgresPlace("Host=h", "a").Lock, new PostgresPlace("Host=h", "b").Lock);
        Assert.Equal(new PostgresPlace("Host=h", "a").Lock, new PostgresPlace("Host=other", "a").Lock);
        Assert.Equal("\"a\"\"b\".events", new PostgresPlace("Host=h", "a\"b").Events);
    }
}
