namespace FedCore.Training.Tensors;

/// <summary>A number that the compiler knows.</summary>
internal interface IConstant
{
    static abstract int Value { get; }
}

internal readonly struct Constant1 : IConstant { public static int Value => 1; }

internal readonly struct Constant2 : IConstant { public static int Value => 2; }

internal readonly struct Constant3 : IConstant { public static int Value => 3; }

internal readonly struct Constant4 : IConstant { public static int Value => 4; }

internal readonly struct Constant5 : IConstant { public static int Value => 5; }

internal readonly struct Constant6 : IConstant { public static int Value => 6; }

internal readonly struct Constant7 : IConstant { public static int Value => 7; }

internal readonly struct Constant8 : IConstant { public static int Value => 8; }

internal readonly struct Constant9 : IConstant { public static int Value => 9; }

internal readonly struct Constant10 : IConstant { public static int Value => 10; }

internal readonly struct Constant11 : IConstant { public static int Value => 11; }

internal readonly struct Constant12 : IConstant { public static int Value => 12; }

internal readonly struct Constant13 : IConstant { public static int Value => 13; }

internal readonly struct Constant14 : IConstant { public static int Value => 14; }
