using FedCore.Numerics;
using FedCore.Tests;
using FedCore.Training.Data;
using FedCore.Training.Data.Csv;
using FedCore.Training.Data.Idx;
using FedCore.Training.Tests.Data.Csv;
using FedCore.Training.Tests.Data.Idx;

namespace FedCore.Training.Tests.Data;

/// <summary>Damaged files end in success or in a fault with a reason, never in another exception. The damage is the same on every run.</summary>
public class FuzzTests
{
    private const int Damages = 3000;

    [Fact]
    public void Damaged_IDX_files_end_well_or_in_a_fault()
    {
        byte[][] whole =
        [
            IdxBytes.Bytes([3, 2, 2], 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12), IdxBytes.Floats([2, 2], 1, -2, 3.5f, 1e-3f), IdxBytes.Shorts([5], 1, 2, 3, 4, 5),
        ];
        int faults = 0;
        for (int i = 0; i < Damages; i++)
        {
            byte[] damaged = Damage(whole[i % whole.Length], Draw.Stream("idx", i));
            faults += Faults(() => IdxFile.Parse(new MemoryStream(damaged), "file"));
        }

        Assert.InRange(faults, Damages / 4, Damages - 1);
    }

    [Fact]
    public void Damaged_compressed_IDX_files_end_well_or_in_a_fault()
    {
        using var folder = new TemporaryFolder();
        byte[] whole = Folders.Compress(IdxBytes.Bytes([30, 2, 2], [.. Enumerable.Range(0, 120).Select(i => (byte)(i * 37))]));
        int faults = 0;
        for (int i = 0; i < Damages / 10; i++)
        {
            string path = folder.File("file.gz", Damage(whole, Draw.Stream("gzip", i)));
            faults += Faults(() => IdxFile.Read(path));
        }

        Assert.InRange(faults, Damages / 40, Damages / 10);
    }

    [Fact]
    public void Damaged_tables_end_well_or_in_a_fault()
    {
        using var files = new CsvFiles();
        byte[][] whole =
        [
            "age,sex,ill\n30,m,1\n45.5,f,0\n12,\"m\",1\n"u8.ToArray(), "age,sex,ill\r\n1e2,f,0\r\n\"7\",m,1\r\n"u8.ToArray(),
            "\"age\",\"sex\",\"ill\"\n\"30\",\"m\",\"1\"\n"u8.ToArray(),
        ];
        var source = new CsvSource { Files = ["table.csv"] };
        DataRequest request = files.Request();
        int faults = 0;
        for (int i = 0; i < Damages; i++)
        {
            files.Folder.File("table.csv", Damage(whole[i % whole.Length], Draw.Stream("csv", i)));
            faults += Faults(() => source.LoadAsync(request, TestContext.Current.CancellationToken).AsTask().GetAwaiter().GetResult());
        }

        Assert.InRange(faults, Damages / 4, Damages - 1);
    }

    // Cut off, or some bytes changed, doubled or removed.
    private static byte[] Damage(byte[] whole, RandomStream random)
    {
        List<byte> bytes = [.. whole];
        if (random.NextInt32(4) == 0) return [.. bytes.Take(random.NextInt32(whole.Length))];
        for (int changes = 1 + random.NextInt32(3); changes > 0; changes--)
        {
            int place = random.NextInt32(bytes.Count);
            switch (random.NextInt32(4))
            {
                case 0: bytes[place] = (byte)random.NextInt32(256); break;
                case 1: bytes[place] ^= (byte)(1 << random.NextInt32(8)); break;
                case 2: bytes.Insert(place, bytes[place]); break;
                default: bytes.RemoveAt(place); break;
            }
        }

        return [.. bytes];
    }

    private static int Faults(Func<object> read)
    {
        try
        {
            read();
            return 0;
        }
        catch (FedCoreException fault)
        {
            Assert.NotEmpty(fault.Code);
            return 1;
        }
    }
}
