using FedCore.Numerics;
using FedCore.Training.Tensors;

namespace FedCore.Training.Tests.Tensors;

/// <summary>The products of a dense layer against plain loops: the same bits as a chain of fused multiply-adds, and near the sum in double precision.</summary>
public unsafe class MatrixKernelsTests
{
    public static TheoryData<int> Columns => [.. Products.Columns];

    [Theory]
    [MemberData(nameof(Columns))]
    public void Forward_is_bias_plus_product_for_all_rows_up_to_40(int outputs)
    {
        for (int rows = 1; rows <= 40; rows++) CheckForward(rows, 1 + rows % 9, outputs, rows % 2 == 0);
    }

    // 64 rows are packed, and rows in whole vectors transposed for the last columns. 600 inputs are more than a packed panel's 512 and a transposed block's
    // 64, and 1,100 with 200 outputs are worked on in blocks.
    [Theory]
    [MemberData(nameof(Columns))]
    public void Forward_stays_one_chain_across_blocks_and_packed_panels(int outputs)
    {
        foreach (int rows in (int[])[2, 32, 48, 63, 64, 65, 78])
        {
            CheckForward(rows, 600, outputs, bias: true);
            CheckForward(rows, 600, outputs, bias: false);
        }

        CheckForward(3, 1100, outputs, bias: true);
    }

    [Theory]
    [MemberData(nameof(Columns))]
    public void WeightGradient_is_the_product_over_the_batch_or_is_added(int outputs)
    {
        for (int inputs = 1; inputs <= 40; inputs++)
        {
            foreach (int rows in (int[])[1, 4, 10])
            {
                RandomStream random = Draw.Stream("weights", inputs * 100 + rows);
                CheckWeightGradient(random, Draw.Uniform(random, rows * inputs), rows, inputs, outputs);
            }
        }
    }

    // From 64 rows and 32 inputs on dy is packed, 512 rows at a time.
    [Theory]
    [MemberData(nameof(Columns))]
    public void WeightGradient_of_many_rows_is_one_chain_across_packed_panels(int outputs)
    {
        foreach (int rows in (int[])[64, 512, 513, 1030])
        {
            foreach (int inputs in (int[])[32, 47])
            {
                RandomStream random = Draw.Stream("many", inputs * 10000 + rows);
                CheckWeightGradient(random, Draw.Uniform(random, rows * inputs), rows, inputs, outputs);
            }
        }
    }

    // Few rows meet the weights as they lie, many meet them turned round.
    [Theory]
    [MemberData(nameof(Columns))]
    public void Input_gradients_are_one_chain_for_few_rows_and_many(int outputs)
    {
        const int inputs = 37;
        foreach (int rows in (int[])[1, 6, 63, 64, 66, 101])
        {
            RandomStream random = Draw.Stream("turned", rows);
            float[] w = Draw.Uniform(random, inputs * outputs), dy = Draw.Uniform(random, rows * outputs);
            float[] expected = Products.Chain(rows, outputs, inputs, (row, k) => dy[row * outputs + k], (k, input) => w[input * outputs + k], (_, _) => 0);

            // Where the rows are no multiple of 4, up to three more may be written.
            using FlatVector ws = new(w.Length), dys = new((rows + 3) * outputs);
            using GuardedBuffer target = new(rows + 3, inputs, inputs);
            w.CopyTo(ws.AsSpan());
            dy.CopyTo(dys.AsSpan());
            DenseProducts.InputGradient(ws.Pointer, inputs, outputs, dys.Pointer, rows, target.Pointer);
            for (int row = rows; row < rows + 3; row++) new Span<float>(target.Pointer + row * inputs, inputs).Clear();
            target.AssertHolds([.. expected, .. new float[3 * inputs]], $"{outputs} outputs, {rows} rows");
        }
    }

    // A batch of 65 is more than a sparse product adds up at once; with 20 % of the numbers it is chosen wherever the columns are many enough.
    [Theory]
    [InlineData(10)]
    [InlineData(32)]
    [InlineData(65)]
    public void Zeros_in_the_inputs_change_no_bit_of_the_products(int rows)
    {
        const int inputs = 140;
        foreach (double share in (double[])[0.2, 0.5, 0.7])
        {
            foreach (int outputs in (int[])[10, 64, 200])
            {
                RandomStream random = Draw.Stream("zeros", rows * 1000 + outputs);
                float[] x = Draw.Sparse(random, rows * inputs, share);
                CheckForward(random, x, rows, inputs, outputs, bias: true);
                CheckForward(random, x, rows, inputs, outputs, bias: false);
                CheckWeightGradient(random, x, rows, inputs, outputs);
            }
        }
    }

    // Multiplied by zero, infinity would not be a number.
    [Fact]
    public void What_only_zeros_meet_is_not_multiplied_where_there_are_many()
    {
        const int rows = 32, inputs = 100, outputs = 200;
        float[] x = new float[rows * inputs], w = new float[inputs * outputs], dy = new float[rows * outputs];
        w.AsSpan(7 * outputs, outputs).Fill(float.PositiveInfinity);
        dy.AsSpan(5 * outputs, outputs).Fill(float.PositiveInfinity);
        using GuardedBuffer xs = new(x), ws = new(w), dys = new(dy), y = new(rows, outputs, outputs), gradient = new(inputs, outputs, outputs);
        MatrixKernels.Forward(xs.Pointer, rows, inputs, ws.Pointer, outputs, null, y.Pointer);
        y.AssertHolds(new float[rows * outputs], "forward");
        MatrixKernels.WeightGradient(xs.Pointer, inputs, rows, inputs, dys.Pointer, outputs, gradient.Pointer, adds: false);
        gradient.AssertHolds(new float[inputs * outputs], "weight gradient");
    }

    [Theory]
    [MemberData(nameof(Columns))]
    public void InputGradient_is_the_product_with_the_weights_turned(int rows)
    {
        // More inputs than fit into a part, with and without a rest that is no multiple of 4.
        int part = MatrixKernels.PartRows;
        foreach (int inputs in Enumerable.Range(1, 40).Concat([part, part + 1, part + 6, 2 * part + 5, 2 * part + 8]))
        {
            int outputs = 1 + inputs % 11, pitch = (rows + 15) / 16 * 16, behind = (rows + 3) / 4 * 4 - rows;
            RandomStream random = Draw.Stream("inputs", inputs);
            float[] w = Draw.Uniform(random, inputs * outputs), dy = Draw.Uniform(random, outputs * pitch);
            Products.Element a = (row, k) => dy[k * pitch + row], b = (k, input) => w[input * outputs + k];
            float[] expected = Products.Chain(rows, outputs, inputs, a, b, (_, _) => 0);
            Products.AssertNear(expected, rows, outputs, inputs, a, b, (_, _) => 0);
            using GuardedBuffer ws = new(w), dys = new(dy), target = new(rows + behind, inputs, inputs + 5);
            using var memory = new FlatVector((long)part * pitch);
            MatrixKernels.InputGradient(ws.Pointer, inputs, outputs, dys.Pointer, rows, pitch, memory.Pointer, target.Pointer, inputs + 5);

            // Rows behind the batch are written where it is no multiple of 4.
            for (int row = rows; row < rows + behind; row++) new Span<float>(target.Pointer + row * (inputs + 5), inputs).Clear();
            target.AssertHolds([.. expected, .. new float[behind * inputs]], $"{inputs} inputs, {outputs} outputs, {rows} rows");
        }
    }

    [Theory]
    [MemberData(nameof(Columns))]
    public void ColumnSums_add_the_rows_in_order_or_are_added(int columns)
    {
        for (int rows = 1; rows <= 40; rows++)
        {
            RandomStream random = Draw.Stream("sums", rows);
            float[] dy = Draw.Uniform(random, rows * columns), w = Draw.Uniform(random, columns);
            Products.Element b = (row, column) => dy[row * columns + column];
            float[] sums = Products.Chain(1, rows, columns, (_, _) => 1, b, (_, _) => 0);
            Products.AssertNear(sums, 1, rows, columns, (_, _) => 1, b, (_, _) => 0);
            using GuardedBuffer dys = new(dy), target = new(1, columns, columns);
            MatrixKernels.ColumnSums(dys.Pointer, rows, columns, target.Pointer, adds: false);
            target.AssertHolds(sums, $"{rows} x {columns}");

            target.Fill(w);
            MatrixKernels.ColumnSums(dys.Pointer, rows, columns, target.Pointer, adds: true);
            target.AssertHolds([.. w.Zip(sums, (before, sum) => before + sum)], $"added {rows} x {columns}");
        }
    }

    private static void CheckForward(int rows, int inputs, int outputs, bool bias)
    {
        RandomStream random = Draw.Stream("forward", rows * 1000 + outputs);
        CheckForward(random, Draw.Uniform(random, rows * inputs), rows, inputs, outputs, bias);
    }

    private static void CheckForward(RandomStream random, float[] x, int rows, int inputs, int outputs, bool bias)
    {
        float[] w = Draw.Uniform(random, inputs * outputs), start = Draw.Uniform(random, outputs);
        Products.Element a = (row, k) => x[row * inputs + k], b = (k, output) => w[k * outputs + output];
        Products.Element first = (_, output) => bias ? start[output] : 0;
        float[] expected = Products.Chain(rows, inputs, outputs, a, b, first);
        Products.AssertNear(expected, rows, inputs, outputs, a, b, first);
        using GuardedBuffer xs = new(x), ws = new(w), biases = new(start), target = new(rows, outputs, outputs);
        MatrixKernels.Forward(xs.Pointer, rows, inputs, ws.Pointer, outputs, bias ? biases.Pointer : null, target.Pointer);
        target.AssertHolds(expected, $"{rows} x {inputs} x {outputs}");
    }

    private static void CheckWeightGradient(RandomStream random, float[] x, int rows, int inputs, int outputs)
    {
        float[] dy = Draw.Uniform(random, rows * outputs), w = Draw.Uniform(random, inputs * outputs);
        Products.Element a = (input, row) => x[row * inputs + input], b = (row, output) => dy[row * outputs + output];
        float[] gradient = Products.Chain(inputs, rows, outputs, a, b, (_, _) => 0);
        Products.AssertNear(gradient, inputs, rows, outputs, a, b, (_, _) => 0);
        using GuardedBuffer xs = new(x), dys = new(dy), target = new(inputs, outputs, outputs);
        MatrixKernels.WeightGradient(xs.Pointer, inputs, rows, inputs, dys.Pointer, outputs, target.Pointer, adds: false);
        target.AssertHolds(gradient, $"gradient {inputs} x {outputs} of {rows}");

        target.Fill(w);
        MatrixKernels.WeightGradient(xs.Pointer, inputs, rows, inputs, dys.Pointer, outputs, target.Pointer, adds: true);
        target.AssertHolds([.. w.Zip(gradient, (before, sum) => before + sum)], $"added {inputs} x {outputs} of {rows}");
    }
}
