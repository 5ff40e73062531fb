using System.Buffers.Binary;
using System.Text;
using System.Text.RegularExpressions;
using FedCore.Models;
using FedCore.Numerics;

namespace FedCore.Core.Tests.Models;

public class SafeTensorsFaultTests
{
    private static readonly ModelSchema Schema = new(
    [
        ("a", new Shape(2), TensorType.F32, TensorRole.Trainable),
        ("b", new Shape(3), TensorType.U8, TensorRole.Frozen),
    ]);

    // The sound file is {"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"U8","shape":[3],"data_offsets":[8,11]}} and 11 bytes.
    public static TheoryData<string, string> Headers => new()
    {
        { "type of another size", """{"a":{"dtype":"F64","shape":[2],"data_offsets":[0,16]},"b":{"dtype":"U8","shape":[3],"data_offsets":[16,19]}}""" },
        { "type of the same size", """{"a":{"dtype":"I32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"U8","shape":[3],"data_offsets":[8,11]}}""" },
        { "type that is not known", """{"a":{"dtype":"F8","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"U8","shape":[3],"data_offsets":[8,11]}}""" },
        { "type as a number", """{"a":{"dtype":"0","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"U8","shape":[3],"data_offsets":[8,11]}}""" },
        { "type in small letters", """{"a":{"dtype":"f32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"U8","shape":[3],"data_offsets":[8,11]}}""" },
        { "other shape", """{"a":{"dtype":"F32","shape":[1,2],"data_offsets":[0,8]},"b":{"dtype":"U8","shape":[3],"data_offsets":[8,11]}}""" },
        { "missing tensor", """{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}""" },
        { "no tensor", """{}""" },
        { "unknown tensor", """{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"U8","shape":[3],"data_offsets":[8,11]},"c":{"dtype":"U8","shape":[1],"data_offsets":[11,12]}}""" },
        { "overlap", """{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"U8","shape":[3],"data_offsets":[7,10]}}""" },
        { "gap", """{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"U8","shape":[3],"data_offsets":[9,12]}}""" },
        { "late beginning", """{"a":{"dtype":"F32","shape":[2],"data_offsets":[1,9]},"b":{"dtype":"U8","shape":[3],"data_offsets":[9,12]}}""" },
        { "range shorter than the shape", """{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,7]},"b":{"dtype":"U8","shape":[3],"data_offsets":[7,10]}}""" },
        { "negative range", """{"a":{"dtype":"F32","shape":[2],"data_offsets":[-8,0]},"b":{"dtype":"U8","shape":[3],"data_offsets":[0,3]}}""" },
        { "one offset", """{"a":{"dtype":"F32","shape":[2],"data_offsets":[0]},"b":{"dtype":"U8","shape":[3],"data_offsets":[8,11]}}""" },
        { "three offsets", """{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8,8]},"b":{"dtype":"U8","shape":[3],"data_offsets":[8,11]}}""" },
        { "offsets that are no list", """{"a":{"dtype":"F32","shape":[2],"data_offsets":8},"b":{"dtype":"U8","shape":[3],"data_offsets":[8,11]}}""" },
        { "offsets with a fraction", """{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8.5]},"b":{"dtype":"U8","shape":[3],"data_offsets":[8,11]}}""" },
        { "no offsets", """{"a":{"dtype":"F32","shape":[2]},"b":{"dtype":"U8","shape":[3],"data_offsets":[8,11]}}""" },
        { "extent of zero", """{"a":{"dtype":"F32","shape":[2,0],"data_offsets":[0,0]},"b":{"dtype":"U8","shape":[3],"data_offsets":[0,3]}}""" },
        { "extents beyond all numbers", """{"a":{"dtype":"F32","shape":[2147483647,2147483647,2147483647],"data_offsets":[0,8]},"b":{"dtype":"U8","shape":[3],"data_offsets":[8,11]}}""" },
        { "key twice", """{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"U8","shape":[3],"data_offsets":[8,11]},"a":{"dtype":"F32","shape":[2],"data_offsets":[11,19]}}""" },
        { "metadata that is no text", """{"__metadata__":{"k":1},"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"U8","shape":[3],"data_offsets":[8,11]}}""" },
        { "metadata that is no object", """{"__metadata__":7,"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"U8","shape":[3],"data_offsets":[8,11]}}""" },
        { "list", """[1,2,3]""" },
        { "tensor that is no object", """{"a":1,"b":{"dtype":"U8","shape":[3],"data_offsets":[8,11]}}""" },
        { "half an object", """{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}""" },
    };

    [Theory]
    [MemberData(nameof(Headers))]
    public void A_header_is_refused_with_a(string fault, string header)
    {
        // As much data as the header speaks of, so that nothing else is wrong.
        int end = Regex.Matches(header, @"(\d+)\]").Select(match => int.Parse(match.Groups[1].Value)).Append(0).Where(n => n < 100).Max();
        Assert.True(IsRefused(File(header, new byte[end])), fault);
    }

    [Fact]
    public void Every_beginning_of_a_file_is_refused()
    {
        byte[] file = Sound();
        Assert.DoesNotContain(Enumerable.Range(0, file.Length), length => !IsRefused(file[..length]));
    }

    [Fact]
    public void Bytes_behind_the_last_tensor_are_refused() => Assert.True(IsRefused([.. Sound(), 0]));

    [Theory]
    [InlineData(-1)]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(SafeTensors.MaxHeaderBytes + 1)]
    [InlineData(long.MaxValue)]
    [InlineData(long.MinValue)]
    public void A_header_length_that_no_file_has_is_refused(long length)
    {
        byte[] file = Sound();
        BinaryPrimitives.WriteInt64LittleEndian(file, length);
        Assert.True(IsRefused(file));
    }

    [Fact]
    public void A_message_names_the_tensor_and_what_the_model_needs()
    {
        string header = """{"a":{"dtype":"F32","shape":[1,2],"data_offsets":[0,8]},"b":{"dtype":"U8","shape":[3],"data_offsets":[8,11]}}""";
        using var state = new ModelState(Schema);
        var fault = Assert.Throws<FedCoreException>(() => SafeTensors.Read(new MemoryStream(File(header, new byte[11])), state));
        Assert.Contains("'a' as F32 [1, 2], but the model needs F32 [2]", fault.Message, StringComparison.Ordinal);
    }

    // Flips in the two highest bytes of the length are covered above; here they would only make room for headers that are not there.
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void Flipped_bytes_end_in_a_model_or_in_a_FedCoreException(int seed)
    {
        byte[] sound = Sound();
        RandomStream random = Statistics.Stream("flips", seed);
        using var state = new ModelState(Schema);
        for (int i = 0; i < 5000; i++)
        {
            byte[] file = [.. sound];
            for (int flips = 1 + random.NextInt32(3); flips > 0; flips--) file[random.NextInt32(file.Length)] = (byte)random.NextInt32(256);
            file.AsSpan(3, 5).Clear();
            Exception? fault = Record.Exception(() => SafeTensors.Read(new MemoryStream(file), state));
            Assert.True(fault is null or FedCoreException { Code: "model.safetensors" }, fault?.ToString());
        }
    }

    private static byte[] Sound()
    {
        using ModelState state = SafeTensorsTests.Random(Schema);
        return SafeTensorsTests.Write(state);
    }

    private static byte[] File(string header, byte[] data)
    {
        byte[] json = Encoding.UTF8.GetBytes(header), length = new byte[8];
        BinaryPrimitives.WriteInt64LittleEndian(length, json.Length);
        return [.. length, .. json, .. data];
    }

    // Any other exception fails the test.
    private static bool IsRefused(byte[] file)
    {
        using var state = new ModelState(Schema);
        try
        {
            SafeTensors.Read(new MemoryStream(file), state);
            return false;
        }
        catch (FedCoreException fault) when (fault.Code == "model.safetensors")
        {
            return true;
        }
    }
}
