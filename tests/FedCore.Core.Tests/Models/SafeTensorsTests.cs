using FedCore.Models;
using FedCore.Numerics;
using FsCheck;
using FsCheck.Fluent;

namespace FedCore.Core.Tests.Models;

public class SafeTensorsTests
{
    private static readonly Dictionary<string, string> Metadata = new() { ["z"] = "last", ["a"] = "Größe \"1\"\n" };

    [Fact]
    public void Any_schema_reads_back_as_it_was_written() => Prop.ForAll(Schemas, schema =>
    {
        using ModelState written = Random(schema), read = new(schema);
        byte[] file = Write(written, Metadata);
        IReadOnlyDictionary<string, string> metadata = SafeTensors.Read(new MemoryStream(file), read);
        return Write(read, Metadata).AsSpan().SequenceEqual(file) && metadata.Count == Metadata.Count && !metadata.Except(Metadata).Any();
    }).Check(Properties.Cases(200));

    [Fact]
    public void Any_schema_is_read_by_an_independent_reader() => Prop.ForAll(Schemas, schema =>
    {
        using ModelState state = Random(schema);
        var file = new MiniReader(Write(state, Metadata));
        Assert.Equal(schema.Tensors.Select(t => t.Name).Order(), file.Tensors.Keys.Order());
        foreach (TensorSchema tensor in schema.Tensors)
        {
            (string type, int[] shape, byte[] bytes) = file.Tensors[tensor.Name];
            Assert.Equal(tensor.Type.ToString(), type);
            Assert.Equal(tensor.Shape, new Shape(shape));
            Assert.Equal(state.Bytes(tensor, 0, checked((int)tensor.Length * tensor.Type.ByteSize())).ToArray(), bytes);
        }

        Assert.Equal(Metadata, file.Metadata);
    }).Check(Properties.Cases(100));

    [Fact]
    public void Byte_ranges_follow_each_other_without_holes_to_the_end() => Prop.ForAll(Schemas, schema =>
    {
        using ModelState state = Random(schema);
        var file = new MiniReader(Write(state));
        int position = 0;
        foreach ((int begin, int end) in file.Ranges)
        {
            Assert.Equal(position, begin);
            position = end;
        }

        Assert.Equal(file.BufferLength, position);
    }).Check(Properties.Cases(100));

    [Fact]
    public void Data_begins_at_a_multiple_of_64_bytes_and_the_header_with_a_brace() => Prop.ForAll(Schemas, schema =>
    {
        using ModelState state = Random(schema);
        var file = new MiniReader(Write(state));
        return (file.HeaderLength + 8) % 64 == 0 && file.Header[0] == '{';
    }).Check(Properties.Cases(100));

    // Written by hand from the format's description; 1 and -2 are the little-endian floats 0000803F and 000000C0.
    [Fact]
    public void A_small_file_has_exactly_these_bytes()
    {
        using var state = new ModelState(new ModelSchema([("w", new Shape(2), TensorType.F32, TensorRole.Trainable)]));
        new float[] { 1, -2 }.CopyTo(state.Trainable.AsSpan());
        string header = """{"__metadata__":{"k":"v"},"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}""".PadRight(120);
        byte[] expected = [120, 0, 0, 0, 0, 0, 0, 0, .. System.Text.Encoding.UTF8.GetBytes(header), 0, 0, 0x80, 0x3F, 0, 0, 0, 0xC0];
        Assert.Equal(expected, Write(state, new Dictionary<string, string> { ["k"] = "v" }));
    }

    [Fact]
    public void A_tensor_longer_than_a_chunk_reads_back()
    {
        var schema = new ModelSchema([("b", new Shape(1_500_003), TensorType.U8, TensorRole.Frozen), ("w", new Shape(300_001), TensorType.F32, TensorRole.Trainable)]);
        using ModelState written = Random(schema), read = new(schema);
        SafeTensors.Read(new MemoryStream(Write(written)), read);
        Assert.Equal(written.Digest(), read.Digest());
    }

    [Fact]
    public void A_stream_that_gives_a_byte_at_a_time_is_read()
    {
        using ModelState written = Random(new ModelSchema([("w", new Shape(5), TensorType.F32, TensorRole.Trainable)])), read = new(written.Schema);
        SafeTensors.Read(new Trickle(Write(written)), read);
        Assert.Equal(written.Digest(), read.Digest());
    }

    [Fact]
    public void Tensors_may_stand_in_another_order_in_the_file()
    {
        var schema = new ModelSchema([("a", new Shape(2), TensorType.F32, TensorRole.Trainable), ("b", new Shape(3), TensorType.F32, TensorRole.Trainable)]);
        using ModelState written = Random(new ModelSchema(schema.Tensors.Reverse().Select(t => (t.Name, t.Shape, t.Type, t.Role)))), read = new(schema);
        SafeTensors.Read(new MemoryStream(Write(written)), read);
        Assert.Equal(written.Floats(written.Schema.Find("b")!, 0, 3).ToArray(), read.Floats(schema.Find("b")!, 0, 3).ToArray());
    }

    internal static byte[] Write(ModelState state, IReadOnlyDictionary<string, string>? metadata = null)
    {
        using var file = new MemoryStream();
        SafeTensors.Write(file, state, metadata);
        return file.ToArray();
    }

    internal static ModelState Random(ModelSchema schema)
    {
        var state = new ModelState(schema);
        RandomStream random = Statistics.Stream("bytes");
        foreach (TensorSchema tensor in schema.Tensors)
            foreach (ref byte value in state.Bytes(tensor, 0, checked((int)(tensor.Length * tensor.Type.ByteSize())))) value = (byte)random.NextInt32(256);
        return state;
    }

    private static Arbitrary<ModelSchema> Schemas { get; } = Arb.From(
        from tensors in Gen.NonEmptyListOf(
            from extents in Gen.ListOf(Gen.Choose(1, 5)).Where(extents => extents.Count <= 4)
            from role in Gen.Elements(Enum.GetValues<TensorRole>())
            from type in role == TensorRole.Trainable ? Gen.Constant(TensorType.F32) : Gen.Elements(Enum.GetValues<TensorType>())
            from name in Gen.Elements("kernel", "bias", "Größe", "a\"b", "x/y", "", "\u0001")
            select (name, new Shape([.. extents]), type, role))
        select new ModelSchema(tensors.Select((tensor, i) => ($"{tensor.name}{i}", tensor.Item2, tensor.type, tensor.role))));

    private sealed class Trickle(byte[] bytes) : MemoryStream(bytes)
    {
        public override bool CanSeek => false;

        public override int Read(Span<byte> buffer) => base.Read(buffer[..Math.Min(1, buffer.Length)]);

        public override int Read(byte[] buffer, int offset, int count) => base.Read(buffer, offset, Math.Min(1, count));
    }
}
