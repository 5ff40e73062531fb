using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace FedCore.Training.Tensors;

// Where half a vector's columns are left over, a vector takes them of two rows of C, by turns: [row 0 column 0, row 1 column 0, row 0 column 1, ...]. So no
// lane is idle and no store is masked. A tile's row is such a pair; the two numbers of A that it needs lie side by side and are read as one of 64 bits.

/// <summary>2 rows x 8 columns: AVX-512.</summary>
internal readonly unsafe struct PairedLanes512 : ILanes<Vector512<float>>
{
    public static int Count => 8;

    public static int MaxRows => Lanes512.MaxRows;

    public static Vector512<float> Zero => Vector512<float>.Zero;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Broadcast(float* source) => Vector512.Create(*(double*)source).AsSingle();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Add(Vector512<float> a, Vector512<float> b) => a + b;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> MultiplyAdd(Vector512<float> a, Vector512<float> b, Vector512<float> c) => Vector512.FusedMultiplyAdd(a, b, c);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Load(float* source) => Vector512.Load(source);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> LoadRow(float* source, nint pair)
    {
        Vector512<float> rows = pair == Count ? Vector512.Load(source) : Vector512.Create(Vector256.Load(source), Vector256.Load(source + pair));
        return Vector512.Shuffle(rows, Vector512.Create(0, 8, 1, 9, 2, 10, 3, 11, 4, 12, 5, 13, 6, 14, 7, 15));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void StoreRow(float* target, nint pair, Vector512<float> value)
    {
        Vector512<float> rows = InRows(value);
        if (pair == Count)
        {
            rows.Store(target);
        }
        else
        {
            rows.GetLower().Store(target);
            rows.GetUpper().Store(target + pair);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void AddToRow(float* target, nint pair, Vector512<float> value)
    {
        Vector512<float> rows = InRows(value);
        if (pair == Count)
        {
            (rows + Vector512.Load(target)).Store(target);
        }
        else
        {
            (rows.GetLower() + Vector256.Load(target)).Store(target);
            (rows.GetUpper() + Vector256.Load(target + pair)).Store(target + pair);
        }
    }

    public static void StoreFirst(float* target, Vector512<float> value, int count) => throw new UnreachableException("Halves are always stored whole.");

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<float> InRows(Vector512<float> value) => Vector512.Shuffle(value, Vector512.Create(0, 2, 4, 6, 8, 10, 12, 14, 1, 3, 5, 7, 9, 11, 13, 15));
}

/// <summary>2 rows x 4 columns: AVX2.</summary>
internal readonly unsafe struct PairedLanes256 : ILanes<Vector256<float>>
{
    public static int Count => 4;

    public static int MaxRows => Lanes256.MaxRows;

    public static Vector256<float> Zero => Vector256<float>.Zero;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Broadcast(float* source) => Vector256.Create(*(double*)source).AsSingle();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Add(Vector256<float> a, Vector256<float> b) => a + b;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> MultiplyAdd(Vector256<float> a, Vector256<float> b, Vector256<float> c) => Vector256.FusedMultiplyAdd(a, b, c);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Load(float* source) => Vector256.Load(source);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> LoadRow(float* source, nint pair)
    {
        Vector256<float> rows = pair == Count ? Vector256.Load(source) : Vector256.Create(Vector128.Load(source), Vector128.Load(source + pair));
        return Vector256.Shuffle(rows, Vector256.Create(0, 4, 1, 5, 2, 6, 3, 7));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void StoreRow(float* target, nint pair, Vector256<float> value)
    {
        Vector256<float> rows = InRows(value);
        if (pair == Count)
        {
            rows.Store(target);
        }
        else
        {
            rows.GetLower().Store(target);
            rows.GetUpper().Store(target + pair);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void AddToRow(float* target, nint pair, Vector256<float> value)
    {
        Vector256<float> rows = InRows(value);
        if (pair == Count)
        {
            (rows + Vector256.Load(target)).Store(target);
        }
        else
        {
            (rows.GetLower() + Vector128.Load(target)).Store(target);
            (rows.GetUpper() + Vector128.Load(target + pair)).Store(target + pair);
        }
    }

    public static void StoreFirst(float* target, Vector256<float> value, int count) => throw new UnreachableException("Halves are always stored whole.");

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<float> InRows(Vector256<float> value) => Vector256.Shuffle(value, Vector256.Create(0, 2, 4, 6, 1, 3, 5, 7));
}

/// <summary>2 rows x 2 columns: NEON, and whatever else there is.</summary>
internal readonly unsafe struct PairedLanes128 : ILanes<Vector128<float>>
{
    public static int Count => 2;

    public static int MaxRows => Lanes128.MaxRows;

    public static Vector128<float> Zero => Vector128<float>.Zero;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> Broadcast(float* source) => Vector128.Create(*(double*)source).AsSingle();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> Add(Vector128<float> a, Vector128<float> b) => a + b;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> MultiplyAdd(Vector128<float> a, Vector128<float> b, Vector128<float> c) => Vector128.FusedMultiplyAdd(a, b, c);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> Load(float* source) => Vector128.Load(source);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> LoadRow(float* source, nint pair)
    {
        Vector128<float> rows = pair == Count ? Vector128.Load(source) : Vector128.Create(Vector64.Load(source), Vector64.Load(source + pair));
        return Vector128.Shuffle(rows, Vector128.Create(0, 2, 1, 3));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void StoreRow(float* target, nint pair, Vector128<float> value)
    {
        Vector128<float> rows = InRows(value);
        if (pair == Count)
        {
            rows.Store(target);
        }
        else
        {
            rows.GetLower().Store(target);
            rows.GetUpper().Store(target + pair);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void AddToRow(float* target, nint pair, Vector128<float> value)
    {
        Vector128<float> rows = InRows(value);
        if (pair == Count)
        {
            (rows + Vector128.Load(target)).Store(target);
        }
        else
        {
            (rows.GetLower() + Vector64.Load(target)).Store(target);
            (rows.GetUpper() + Vector64.Load(target + pair)).Store(target + pair);
        }
    }

    public static void StoreFirst(float* target, Vector128<float> value, int count) => throw new UnreachableException("Halves are always stored whole.");

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<float> InRows(Vector128<float> value) => Vector128.Shuffle(value, Vector128.Create(0, 2, 1, 3));
}
