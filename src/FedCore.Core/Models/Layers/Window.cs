namespace FedCore.Models.Layers;

/// <summary>The arithmetic of sliding windows.</summary>
internal static class Window
{
    /// <summary>How many windows fit along one extent: floor((extent + 2 padding - size) / stride) + 1. Null padding stands for a layer without any.</summary>
    public static int OutputExtent(int extent, int size, int stride, int? padding, string axis)
    {
        int padded = extent + 2 * (padding ?? 0);
        if (size > padded)
        {
            throw new ShapeException(
                $"a window of {size} does not fit the {axis} {extent}{(padding > 0 ? $" with padding {padding}" : "")}. "
                + (padding is null ? "Use a smaller size" : "Use a smaller kernel or more padding"));
        }

        return (padded - size) / stride + 1;
    }
}
