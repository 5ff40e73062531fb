namespace FedCore.SecureAggregation.Sessions;

/// <summary>How far a session is.</summary>
public enum SessionStage
{
    /// <summary>Round 0: clients send their keys.</summary>
    Advertise,

    /// <summary>Round 1: clients share their secrets with their neighbours.</summary>
    Share,

    /// <summary>Round 2: clients send their masked inputs.</summary>
    Mask,

    /// <summary>Round 3: clients sign who survived.</summary>
    Confirm,

    /// <summary>Round 4: clients give shares of their neighbours' secrets.</summary>
    Unmask,

    /// <summary>The masks are known.</summary>
    Over,
}
