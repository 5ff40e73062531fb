#!/usr/bin/python3
"""Records small models in PyTorch: first parameters, a batch, outputs, loss, gradients, and the parameters after 20 steps.

Run it in this folder: python3 record.py. It writes recorded.json. Computed in double precision from single-precision beginnings, so that the values
are exact as far as a float can tell. Tensors are written in FedCore's layouts: kernels [in, out] and [height, width, in, out], images
[height, width, channels], and the inputs of a linear layer behind an image in that order.
"""
import json
import numpy
import torch
from torch import nn

EXAMPLES, BATCH, STEPS = 12, 5, 20


class Hwc(nn.Module):
    """Flattens [n, channels, height, width] in the order height, width, channels."""

    def forward(self, x):
        return x.permute(0, 2, 3, 1).reshape(x.shape[0], -1)


LAYERS = {
    "linear": lambda i, outputs, bias=True: nn.Linear(i[0], outputs, bias=bias),
    "conv2d": lambda i, channels, kernel, stride=1, padding=0, bias=True: nn.Conv2d(i[2], channels, kernel, stride, padding, bias=bias),
    "maxPool2d": lambda i, size, stride=0: nn.MaxPool2d(size, stride or size),
    "averagePool2d": lambda i, size, stride=0: nn.AvgPool2d(size, stride or size),
    "flatten": lambda i: Hwc(),
    "relu": lambda i: nn.ReLU(),
    "tanh": lambda i: nn.Tanh(),
    "sigmoid": lambda i: nn.Sigmoid(),
    "dropout": lambda i, rate: nn.Dropout(rate),
    "layerNorm": lambda i: nn.LayerNorm(i[-1]),
    "groupNorm": lambda i, groups: nn.GroupNorm(groups, i[-1]),
}

LOSSES = {
    "softmaxCrossEntropy": lambda y, t: nn.functional.cross_entropy(y, t[:, 0].long()),
    "binaryCrossEntropy": lambda y, t: nn.functional.binary_cross_entropy_with_logits(y, t),
    "meanSquaredError": lambda y, t: nn.functional.mse_loss(y, t),
}


def layer(type, **parameters):
    return {"type": type, **parameters}


def linear(outputs, **parameters):
    return layer("linear", outputs=outputs, **parameters)


def sgd(momentum=0.0, nesterov=False, decay=0.0):
    return {"type": "sgd", "weightDecay": decay, "momentum": momentum, "nesterov": nesterov}


def adam(decay=0.0):
    return {"type": "adam", "weightDecay": decay, "beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8}


CASES = [
    ("softmax regression, sgd", [7], [linear(4)], "softmaxCrossEntropy", sgd(), 0.5),
    ("two layers, sgd", [9], [linear(17), layer("relu"), linear(3)], "softmaxCrossEntropy", sgd(), 0.1),
    ("tanh, momentum", [6], [linear(11), layer("tanh"), linear(5), layer("tanh"), linear(3)], "softmaxCrossEntropy", sgd(momentum=0.9), 0.05),
    ("regression without bias, nesterov and decay", [5], [linear(8, bias=False), layer("tanh"), linear(3)], "meanSquaredError",
     sgd(momentum=0.8, nesterov=True, decay=0.01), 0.05),
    ("sigmoid, decay", [5], [linear(7), layer("sigmoid"), layer("dropout", rate=0.0), linear(1)], "binaryCrossEntropy", sgd(decay=0.1), 0.2),
    ("convolutions, sgd", [8, 7, 2],
     [layer("conv2d", channels=5, kernel=3, padding=1), layer("relu"), layer("maxPool2d", size=2),
      layer("conv2d", channels=6, kernel=2), layer("relu"), layer("flatten"), linear(9), layer("relu"), linear(4)],
     "softmaxCrossEntropy", sgd(), 0.1),
    ("strides and overlapping windows, adam", [9, 8, 3],
     [layer("conv2d", channels=4, kernel=3, stride=2, padding=2, bias=False), layer("tanh"), layer("averagePool2d", size=3, stride=1),
      layer("conv2d", channels=5, kernel=2, padding=1), layer("sigmoid"), layer("flatten"), linear(3)],
     "softmaxCrossEntropy", adam(), 0.01),
    ("pooling before activations, adam and decay", [12, 11, 1],
     [layer("conv2d", channels=3, kernel=2), layer("maxPool2d", size=3, stride=2), layer("tanh"),
      layer("conv2d", channels=4, kernel=3, stride=3, padding=1), layer("averagePool2d", size=2, stride=1), layer("relu"),
      layer("flatten"), layer("dropout", rate=0.0), linear(2)],
     "meanSquaredError", adam(decay=0.05), 0.01),
    ("layer normalisation, sgd", [6], [linear(21), layer("layerNorm"), layer("tanh"), linear(5), layer("layerNorm"), linear(3)],
     "softmaxCrossEntropy", sgd(), 0.1),
    ("group normalisation, momentum", [8, 7, 2],
     [layer("conv2d", channels=18, kernel=3, padding=1), layer("groupNorm", groups=3), layer("relu"), layer("maxPool2d", size=2),
      layer("conv2d", channels=4, kernel=2), layer("groupNorm", groups=4), layer("flatten"), linear(12), layer("groupNorm", groups=1), linear(3)],
     "softmaxCrossEntropy", sgd(momentum=0.5), 0.05),
]


def build(input, layers, generator):
    """The modules, with parameters that are exact in single precision."""
    modules, shape = [], list(input)
    for spec in layers:
        parameters = {k: v for k, v in spec.items() if k != "type"}
        module = LAYERS[spec["type"]](shape, **parameters)
        for p in module.parameters():
            bound = 1 / numpy.sqrt(max(1, p[0].numel()) if p.dim() > 1 else 4)
            p.data = ((2 * torch.rand(p.shape, generator=generator, dtype=torch.float32) - 1) * float(bound)).double()
        x = torch.zeros(1, *([shape[2], shape[0], shape[1]] if len(shape) == 3 else shape), dtype=torch.double)
        y = module(x)
        shape = [y.shape[2], y.shape[3], y.shape[1]] if y.dim() == 4 else [y.shape[1]]
        modules.append(module)
    return nn.Sequential(*modules), shape[0]


def flat(tensors):
    """In FedCore's layouts, one behind the other."""
    parts = []
    for t in tensors:
        t = t.detach()
        if t.dim() == 4:
            t = t.permute(2, 3, 1, 0)
        elif t.dim() == 2:
            t = t.t()
        parts.append(t.reshape(-1))
    return numbers(torch.cat(parts))


def numbers(tensor):
    return [float(f"{v:.9g}") for v in tensor.detach().reshape(-1).tolist()]


def record(index, case):
    name, input, layers, loss_name, optimizer, rate = case
    generator = torch.Generator().manual_seed(1000 + index)
    model, outputs = build(input, layers, generator)
    nhwc = torch.randn((EXAMPLES, *input), generator=generator, dtype=torch.float32).double()
    x = nhwc.permute(0, 3, 1, 2) if len(input) == 3 else nhwc
    if loss_name == "softmaxCrossEntropy":
        labels = torch.randint(outputs, (EXAMPLES, 1), generator=generator).double()
    elif loss_name == "binaryCrossEntropy":
        labels = torch.randint(2, (EXAMPLES, 1), generator=generator).double()
    else:
        labels = torch.randn((EXAMPLES, outputs), generator=generator, dtype=torch.float32).double()
    loss = LOSSES[loss_name]
    result = {
        "name": name,
        "model": {"input": input, "layers": layers, "loss": {"type": loss_name}},
        "optimizer": optimizer,
        "learningRate": rate,
        "inputs": numbers(nhwc),
        "labels": numbers(labels),
        "labelWidth": labels.shape[1],
        "initial": flat(model.parameters()),
        # Each step takes the next examples and begins anew behind the last.
        "batches": [[(step * BATCH + i) % EXAMPLES for i in range(BATCH)] for step in range(STEPS)],
    }
    if optimizer["type"] == "sgd":
        torch_optimizer = torch.optim.SGD(
            model.parameters(), rate, momentum=optimizer["momentum"], nesterov=optimizer["nesterov"], weight_decay=optimizer["weightDecay"])
    else:
        torch_optimizer = torch.optim.Adam(model.parameters(), rate, betas=(0.9, 0.999), eps=1e-8, weight_decay=optimizer["weightDecay"])
    losses = []
    for step, rows in enumerate(result["batches"]):
        torch_optimizer.zero_grad()
        y = model(x[rows])
        value = loss(y, labels[rows])
        value.backward()
        losses.append(value)
        if step == 0:
            result["outputs"] = numbers(y)
            result["gradients"] = flat([p.grad for p in model.parameters()])
        torch_optimizer.step()
    result["losses"] = numbers(torch.stack(losses))
    result["final"] = flat(model.parameters())
    return result


def main():
    cases = [record(index, case) for index, case in enumerate(CASES)]
    with open("recorded.json", "w", encoding="utf-8") as file:
        file.write('{\n"torch": ' + json.dumps(torch.__version__) + ',\n"cases": [\n')
        file.write(",\n".join(json.dumps(case, separators=(",", ":")) for case in cases))
        file.write("\n]\n}\n")


main()
