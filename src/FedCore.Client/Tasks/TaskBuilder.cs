using FedCore.Models;
using FedCore.Protocol.V1;
using FedCore.Rounds;
using FedCore.Strategies;

namespace FedCore.Client.Tasks;

/// <summary>Makes of an offer the task that the round engine had.</summary>
internal static class TaskBuilder
{
    public static TrainTask TrainTaskOf(TaskOffer offer, RunPlan plan, ModelState model, DateTimeOffset? deadline) =>
        new(WorkOf(offer), offer.Round, offer.Position, offer.CohortSize, model, plan.TrainLayout, deadline);

    public static EvaluateTask EvaluateTaskOf(TaskOffer offer, RunPlan plan, ModelState model)
    {
        EvaluationPlan evaluation = plan.Definition.Evaluation;
        return new EvaluateTask(evaluation.Splits, offer.Round, offer.Position, offer.CohortSize, model, plan.EvaluateLayout) { FineTune = evaluation.FineTune };
    }

    /// <summary>What the strategy planned for this client.</summary>
    public static ClientTask WorkOf(TaskOffer offer)
    {
        TrainWork work = offer.Train;
        return new ClientTask
        {
            Round = offer.Round,
            Work = new LocalWork(work.Epochs, work.Steps),
            BatchSize = work.BatchSize,
            LearningRate = work.LearningRate,
            ClipNorm = work.HasClipNorm ? work.ClipNorm : null,
            UpdateClip = work.HasUpdateClip ? work.UpdateClip : null,
            Weighting = new ClientWeighting(work.UniformWeight, work.MaxExamples),
            MaxSteps = work.HasMaxSteps ? work.MaxSteps : null,
            AcceptPartialWork = work.AcceptPartialWork,
        };
    }
}
