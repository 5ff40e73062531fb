using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace FedCore.Training.Tensors;

/// <summary>A hardware vector of floats, so that a kernel is written once for all widths.</summary>
/// <typeparam name="TVector">The vector type.</typeparam>
internal unsafe interface ILanes<TVector>
{
    /// <summary>Floats per vector.</summary>
    static abstract int Count { get; }

    /// <summary>How many rows a tile of two vectors may have without spilling accumulators.</summary>
    static abstract int MaxRows { get; }

    static abstract TVector Zero { get; }

    /// <summary>Numbers of a row of B.</summary>
    static abstract TVector Load(float* source);

    /// <summary>The number at this place in every lane; where a vector holds two rows, it and the next one by turns.</summary>
    static abstract TVector Broadcast(float* source);

    static abstract TVector Add(TVector a, TVector b);

    /// <summary>a b + c in one rounding.</summary>
    static abstract TVector MultiplyAdd(TVector a, TVector b, TVector c);

    /// <summary>Numbers of a row of C; where a vector holds two rows, the second one's lie so many floats behind the first one's.</summary>
    static abstract TVector LoadRow(float* source, nint pair);

    /// <summary>The reverse of <see cref="LoadRow"/>.</summary>
    static abstract void StoreRow(float* target, nint pair, TVector value);

    /// <summary>Adds to numbers of a row of C.</summary>
    static abstract void AddToRow(float* target, nint pair, TVector value);

    /// <summary>Stores the first lanes only; the memory behind them is neither written nor, where the hardware can, read.</summary>
    static abstract void StoreFirst(float* target, TVector value, int count);
}

/// <summary>16 lanes: AVX-512.</summary>
internal readonly unsafe struct Lanes512 : ILanes<Vector512<float>>
{
    public static int Count => 16;

    public static int MaxRows => 14;

    public static Vector512<float> Zero => Vector512<float>.Zero;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Load(float* source) => Vector512.Load(source);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Broadcast(float* source) => Vector512.Create(*source);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Add(Vector512<float> a, Vector512<float> b) => a + b;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> MultiplyAdd(Vector512<float> a, Vector512<float> b, Vector512<float> c) => Vector512.FusedMultiplyAdd(a, b, c);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> LoadRow(float* source, nint pair) => Vector512.Load(source);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void StoreRow(float* target, nint pair, Vector512<float> value) => value.Store(target);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void AddToRow(float* target, nint pair, Vector512<float> value) => (value + Vector512.Load(target)).Store(target);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void StoreFirst(float* target, Vector512<float> value, int count)
    {
        Vector512<float> mask = Vector512.LessThan(Vector512<int>.Indices, Vector512.Create(count)).AsSingle();
        if (Avx512F.IsSupported) Avx512F.MaskStore(target, mask, value);
        else Vector512.ConditionalSelect(mask, value, Vector512.Load(target)).Store(target);
    }
}

/// <summary>8 lanes: AVX2.</summary>
internal readonly unsafe struct Lanes256 : ILanes<Vector256<float>>
{
    public static int Count => 8;

    public static int MaxRows => 6;

    public static Vector256<float> Zero => Vector256<float>.Zero;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Load(float* source) => Vector256.Load(source);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Broadcast(float* source) => Vector256.Create(*source);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Add(Vector256<float> a, Vector256<float> b) => a + b;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> MultiplyAdd(Vector256<float> a, Vector256<float> b, Vector256<float> c) => Vector256.FusedMultiplyAdd(a, b, c);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> LoadRow(float* source, nint pair) => Vector256.Load(source);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void StoreRow(float* target, nint pair, Vector256<float> value) => value.Store(target);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void AddToRow(float* target, nint pair, Vector256<float> value) => (value + Vector256.Load(target)).Store(target);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void StoreFirst(float* target, Vector256<float> value, int count)
    {
        Vector256<float> mask = Vector256.LessThan(Vector256<int>.Indices, Vector256.Create(count)).AsSingle();
        if (Avx.IsSupported) Avx.MaskStore(target, mask, value);
        else Vector256.ConditionalSelect(mask, value, Vector256.Load(target)).Store(target);
    }
}

/// <summary>4 lanes: NEON, and whatever else there is.</summary>
internal readonly unsafe struct Lanes128 : ILanes<Vector128<float>>
{
    public static int Count => 4;

    // NEON has 32 registers; SSE has 16.
    public static int MaxRows => System.Runtime.Intrinsics.Arm.AdvSimd.IsSupported ? 12 : 6;

    public static Vector128<float> Zero => Vector128<float>.Zero;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> Load(float* source) => Vector128.Load(source);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> Broadcast(float* source) => Vector128.Create(*source);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> Add(Vector128<float> a, Vector128<float> b) => a + b;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> MultiplyAdd(Vector128<float> a, Vector128<float> b, Vector128<float> c) => Vector128.FusedMultiplyAdd(a, b, c);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> LoadRow(float* source, nint pair) => Vector128.Load(source);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void StoreRow(float* target, nint pair, Vector128<float> value) => value.Store(target);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void AddToRow(float* target, nint pair, Vector128<float> value) => (value + Vector128.Load(target)).Store(target);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void StoreFirst(float* target, Vector128<float> value, int count)
    {
        for (int lane = 0; lane < count; lane++) target[lane] = value[lane];
    }
}
