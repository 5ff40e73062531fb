using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace FedCore.Privacy.Sampling;

/// <summary>
/// Draws the first blocks by their rectangles' weights with 15 random bits, in whole cells of 2^-15: 256 columns of 128 cells, of which each holds the cells of its own block and above them those of one
/// other (alias method; Walker 1977). What does not make a whole cell is the last column's, and not decided here.
/// </summary>
internal sealed unsafe class RectangleCells
{
    /// <summary>Random bits that a draw takes.</summary>
    public const int Bits = ColumnBits + CellBits;

    /// <summary>In place of a block: not decided here.</summary>
    public const uint Undecided = Columns - 1;

    private const int ColumnBits = 8, CellBits = 7, Columns = 1 << ColumnBits, Height = 1 << CellBits;

    // By column, in the lowest byte how many cells are its own, and in the next whose the others are.
    private readonly uint[] _columns = GC.AllocateArray<uint>(Columns, pinned: true);
    private readonly Lanes _many;

    /// <param name="rectangles">The weights, of which all parts have 2^<see cref="GaussianParts.WeightBits"/> together.</param>
    public RectangleCells(ReadOnlySpan<ulong> rectangles)
    {
        Span<int> cells = stackalloc int[Columns];
        int left = 1 << Bits;
        for (int block = 0; block < Math.Min(rectangles.Length, (int)Undecided); block++) left -= cells[block] = CellsOf(rectangles[block]);
        cells[(int)Undecided] = Left = left;
        Fill(cells);
        Span<byte> own = stackalloc byte[Columns], others = stackalloc byte[Columns];
        for (int column = 0; column < Columns; column++) (own[column], others[column]) = ((byte)_columns[column], (byte)(_columns[column] >> 8));
        _many = new Lanes((uint*)Unsafe.AsPointer(ref _columns[0]), new Table(own), new Table(others));
    }

    /// <summary>The cells that are not decided here.</summary>
    public int Left { get; }

    /// <summary>The weight of a cell.</summary>
    public static ulong CellWeight => 1UL << (GaussianParts.WeightBits - Bits);

    /// <summary>The whole cells of a weight.</summary>
    /// <param name="weight">The weight.</param>
    public static int CellsOf(ulong weight) => (int)(weight / CellWeight);

    /// <summary>Draws a block, or <see cref="Undecided"/>.</summary>
    /// <param name="word">Random bits, of which the upper ones are used.</param>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public uint Next(uint word)
    {
        // Without a branch: nobody could foretell it.
        uint column = word >> (32 - ColumnBits), entry = _columns[column], other = entry >> 8, cell = (word << ColumnBits) >> (32 - CellBits);
        uint isOwn = (uint)((int)(cell - (entry & 0xFF)) >> 31);
        return other ^ ((other ^ column) & isOwn);
    }

    /// <summary>Whether the processor draws many at a time.</summary>
    public static bool HasLanes => Avx512Vbmi.IsSupported || Avx2.IsSupported;

    /// <summary>What draws many at a time.</summary>
    public ref readonly Lanes Many => ref _many;

    // Every column that is not full of its own takes the missing cells from one that has too many.
    private void Fill(Span<int> cells)
    {
        Stack<int> few = [], many = [];
        for (int column = 0; column < Columns; column++) (cells[column] < Height ? few : many).Push(column);
        while (few.TryPop(out int column))
        {
            int giver = many.Peek();
            _columns[column] = (uint)(cells[column] | giver << 8);
            cells[giver] -= Height - cells[column];
            if (cells[giver] < Height) few.Push(many.Pop());
        }

        foreach (int column in many) _columns[column] = (uint)(column << 8);
    }

    /// <summary>The columns for 16 draws at a time: in registers, or where the processor gathers them from.</summary>
    /// <param name="columns">The columns, as long as there are cells.</param>
    /// <param name="own">Own cells of the columns.</param>
    /// <param name="others">Whose the others are.</param>
    public readonly struct Lanes(uint* columns, Table own, Table others)
    {
        private readonly Table _own = own, _others = others;
        private readonly uint* _columns = columns;

        /// <summary>Draws 16 blocks.</summary>
        /// <param name="words">Random bits, of which the upper ones are used.</param>
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public Vector512<uint> Next(Vector512<uint> words)
        {
            Vector512<uint> column = words >>> (32 - ColumnBits), own, other;
            if (Avx512Vbmi.IsSupported)
            {
                // The lowest byte of each lane has its column; what the tables say for the other bytes, which are 0, is shifted or masked away.
                own = _own.Find(column) << (32 - CellBits);
                other = _others.Find(column) & Vector512.Create(0xFFu);
            }
            else
            {
                var entry = Vector512.Create(Avx2.GatherVector256(_columns, column.GetLower().AsInt32(), sizeof(uint)), Avx2.GatherVector256(_columns, column.GetUpper().AsInt32(), sizeof(uint)));
                own = entry << (32 - CellBits);
                other = entry >>> 8;
            }

            return Vector512.ConditionalSelect(Vector512.LessThan(words << ColumnBits, own), column, other);
        }
    }

    /// <summary>A byte for each column.</summary>
    public readonly struct Table(ReadOnlySpan<byte> bytes)
    {
        private readonly Vector512<byte> _first = Vector512.Create(bytes), _second = Vector512.Create(bytes[64..]), _third = Vector512.Create(bytes[128..]), _fourth = Vector512.Create(bytes[192..]);

        /// <summary>Finds the bytes of 16 columns, each in the lowest byte of its lane.</summary>
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public Vector512<uint> Find(Vector512<uint> columns)
        {
            Vector512<uint> isUpper = ((columns << (32 - ColumnBits)).AsInt32() >> 31).AsUInt32();
            Vector512<byte> lower = Avx512Vbmi.PermuteVar64x8x2(_first, columns.AsByte(), _second), upper = Avx512Vbmi.PermuteVar64x8x2(_third, columns.AsByte(), _fourth);
            return Vector512.ConditionalSelect(isUpper, upper.AsUInt32(), lower.AsUInt32());
        }
    }
}
