using FedCore.Models;

namespace FedCore.Rounds.Engine;

/// <summary>A version of the model that clients start from, kept until no more do and the last of them has answered.</summary>
internal sealed class ModelVersion(ModelState model)
{
    // The first user is who made it.
    private int _users = 1;

    public ModelState Model => model;

    public void Acquire() => _users++;

    public void Release()
    {
        if (--_users == 0) model.Dispose();
    }
}
