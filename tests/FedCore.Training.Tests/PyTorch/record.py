#!/usr/bin/python3
"""Records small models in PyTorch: first parameters, a batch, outputs, loss, gradients, and the parameters after 20 steps.

Run it in this folder: python3 record.py. It writes recorded.json. Computed in double precision from single-precision beginnings, so that the values
are exact as far as a float can tell. Tensors are written in FedCore's layouts: kernels [in, out] and [height, width, in, out], images
[height, width, channels], and the inputs of a linear layer behind an image in that order. Tables of vectors are [number, width] in both.
"""
import json
import numpy
import torch
from torch import nn

EXAMPLES, BATCH, STEPS = 12, 5, 20


class Hwc(nn.Module):
    """Flattens [n, channels, height, width] in the order height, width, channels, and [n, tokens, width] as it is."""

    def forward(self, x):
        return (x.permute(0, 2, 3, 1) if x.dim() == 4 else x).reshape(x.shape[0], -1)


class Embedding(nn.Module):
    def __init__(self, i, vocabulary, width, positions=False):
        super().__init__()
        self.table = nn.Parameter(torch.zeros(vocabulary, width))
        self.positions = nn.Parameter(torch.zeros(i[0], width)) if positions else None
        for p in self.parameters():
            p.is_table = True

    def forward(self, x):
        y = nn.functional.embedding(x.long(), self.table)
        return y if self.positions is None else y + self.positions


class Lstm(nn.Module):
    """One bias: the second one is zero and does not learn."""

    def __init__(self, i, units, returnSequences):
        super().__init__()
        self.lstm, self.all = nn.LSTM(i[-1], units, batch_first=True), returnSequences
        self.lstm.bias_hh_l0.data.zero_()
        self.lstm.bias_hh_l0.requires_grad = False

    def forward(self, x):
        y, _ = self.lstm(x)
        return y if self.all else y[:, -1]


class Attention(nn.Module):
    def __init__(self, i, heads, causal=True, bias=True):
        super().__init__()
        self.attention = nn.MultiheadAttention(i[-1], heads, bias=bias, batch_first=True)
        self.mask = torch.ones(i[0], i[0]).triu(1).bool() if causal else None

    def forward(self, x):
        return self.attention(x, x, x, attn_mask=self.mask, need_weights=False)[0]


class BatchNorm(nn.Module):
    """With running means of x and of x squared in place of a running variance."""

    def __init__(self, i, momentum=0.1):
        super().__init__()
        self.momentum, self.weight, self.bias = momentum, nn.Parameter(torch.ones(i[-1])), nn.Parameter(torch.zeros(i[-1]))
        self.reset()

    def reset(self):
        self.mean, self.square = torch.zeros(len(self.weight)).double(), torch.ones(len(self.weight)).double()

    def forward(self, x):
        if not self.training:
            return nn.functional.batch_norm(x, self.mean, self.square - self.mean ** 2, self.weight, self.bias, eps=1e-5)
        axes = [0, *range(2, x.dim())]
        self.mean = torch.lerp(self.mean, x.detach().double().mean(axes), self.momentum)
        self.square = torch.lerp(self.square, (x.detach().double() ** 2).mean(axes), self.momentum)
        return nn.functional.batch_norm(x, None, None, self.weight, self.bias, training=True, eps=1e-5)


class Residual(nn.Module):
    def __init__(self, i, layers, shortcut=None):
        super().__init__()
        self.layers, _ = chain(i, layers)
        self.shortcut = chain(i, shortcut)[0] if shortcut else nn.Identity()

    def forward(self, x):
        return self.layers(x) + self.shortcut(x)


LAYERS = {
    "linear": lambda i, outputs, bias=True: nn.Linear(i[-1], outputs, bias=bias),
    "conv2d": lambda i, channels, kernel, stride=1, padding=0, bias=True: nn.Conv2d(i[2], channels, kernel, stride, padding, bias=bias),
    "maxPool2d": lambda i, size, stride=0: nn.MaxPool2d(size, stride or size),
    "averagePool2d": lambda i, size, stride=0: nn.AvgPool2d(size, stride or size),
    "flatten": lambda i: Hwc(),
    "relu": lambda i: nn.ReLU(),
    "tanh": lambda i: nn.Tanh(),
    "sigmoid": lambda i: nn.Sigmoid(),
    "gelu": lambda i: nn.GELU(),
    "dropout": lambda i, rate: nn.Dropout(rate),
    "batchNorm": BatchNorm,
    "layerNorm": lambda i: nn.LayerNorm(i[-1]),
    "groupNorm": lambda i, groups: nn.GroupNorm(groups, i[-1]),
    "embedding": Embedding,
    "lstm": Lstm,
    "attention": Attention,
    "residual": Residual,
}

LOSSES = {
    "softmaxCrossEntropy": lambda y, t: nn.functional.cross_entropy(y.reshape(-1, y.shape[-1]), t.reshape(-1).long()),
    "binaryCrossEntropy": lambda y, t: nn.functional.binary_cross_entropy_with_logits(y, t),
    "meanSquaredError": lambda y, t: nn.functional.mse_loss(y, t),
}


def layer(type, **parameters):
    return {"type": type, **parameters}


def linear(outputs, **parameters):
    return layer("linear", outputs=outputs, **parameters)


def lstm(units, returnSequences):
    return layer("lstm", units=units, returnSequences=returnSequences)


def residual(layers, **parameters):
    return layer("residual", layers=layers, **parameters)


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
    ("gelu in a residual block, sgd", [6],
     [linear(18), residual([layer("layerNorm"), linear(23), layer("gelu"), linear(18)]), layer("gelu"), linear(3)], "softmaxCrossEntropy", sgd(), 0.1),
    ("residual convolutions with a shortcut, momentum", [8, 7, 3],
     [layer("conv2d", channels=4, kernel=3, padding=1),
      residual([layer("conv2d", channels=6, kernel=3, stride=2, padding=1), layer("groupNorm", groups=2), layer("relu"),
                layer("conv2d", channels=6, kernel=3, padding=1)], shortcut=[layer("conv2d", channels=6, kernel=1, stride=2)]),
      layer("relu"), residual([layer("relu"), residual([layer("tanh")]), layer("conv2d", channels=6, kernel=3, padding=1)]),
      layer("flatten"), linear(4)], "softmaxCrossEntropy", sgd(momentum=0.5), 0.02),
    ("two lstms, sgd", [7, 5], [lstm(9, True), lstm(6, False), linear(3)], "softmaxCrossEntropy", sgd(), 0.2),
    ("lstm over tokens, a prediction for each, adam", [8], [layer("embedding", vocabulary=11, width=6), lstm(17, True), linear(11)],
     "softmaxCrossEntropy", adam(), 0.01),
    ("transformer block, sgd", [9],
     [layer("embedding", vocabulary=13, width=8, positions=True), residual([layer("layerNorm"), layer("attention", heads=2)]),
      residual([layer("layerNorm"), linear(32), layer("gelu"), linear(8)]), layer("layerNorm"), linear(13)],
     "softmaxCrossEntropy", sgd(), 0.1),
    ("attention without mask and bias, nesterov", [5, 12],
     [layer("attention", heads=3, causal=False, bias=False), layer("flatten"), linear(2)], "meanSquaredError", sgd(momentum=0.8, nesterov=True), 0.02),
    ("batch normalisation, sgd", [6], [linear(21), layer("batchNorm"), layer("tanh"), linear(5), layer("batchNorm", momentum=0.3), linear(3)],
     "softmaxCrossEntropy", sgd(), 0.1),
    ("batch normalisation in a residual block, momentum", [6, 5, 2],
     [layer("conv2d", channels=18, kernel=3, padding=1), layer("batchNorm"), layer("relu"),
      residual([layer("conv2d", channels=4, kernel=3, padding=1), layer("batchNorm"), layer("relu"), layer("conv2d", channels=18, kernel=1)]),
      layer("maxPool2d", size=2), layer("flatten"), linear(3)], "softmaxCrossEntropy", sgd(momentum=0.5), 0.05),
]


def chain(input, layers):
    """The modules and the shape behind them."""
    modules, shape = [], list(input)
    for spec in layers:
        module = LAYERS[spec["type"]](shape, **{k: v for k, v in spec.items() if k != "type"})
        x = torch.zeros(2, *([shape[2], shape[0], shape[1]] if len(shape) == 3 else shape))
        y = module(x)
        shape = [y.shape[2], y.shape[3], y.shape[1]] if y.dim() == 4 else list(y.shape[1:])
        modules.append(module)
    return nn.Sequential(*modules), shape


def trained(model):
    return [p for p in model.parameters() if p.requires_grad]


def build(input, layers, generator):
    """The modules, with parameters that are exact in single precision."""
    model, shape = chain(input, layers)
    for p in trained(model):
        bound = 1 / numpy.sqrt(max(1, p[0].numel()) if p.dim() > 1 else 4)
        p.data = (2 * torch.rand(p.shape, generator=generator, dtype=torch.float32) - 1) * float(bound)
    for module in model.modules():
        if isinstance(module, BatchNorm):
            module.reset()
    return model.double(), shape


def flat(parameters, values):
    """In FedCore's layouts, one behind the other."""
    parts = []
    for p, t in zip(parameters, values):
        t = t.detach()
        if t.dim() == 4:
            t = t.permute(2, 3, 1, 0)
        elif t.dim() == 2 and not hasattr(p, "is_table"):
            t = t.t()
        parts.append(t.reshape(-1))
    return numbers(torch.cat(parts))


def numbers(tensor):
    return [float(f"{v:.9g}") for v in tensor.detach().reshape(-1).tolist()]


def record(index, case):
    name, input, layers, loss_name, optimizer, rate = case
    generator = torch.Generator().manual_seed(1000 + index)
    model, shape = build(input, layers, generator)
    outputs, parameters = shape[-1], trained(model)
    if layers[0]["type"] == "embedding":
        nhwc = torch.randint(layers[0]["vocabulary"], (EXAMPLES, *input), generator=generator).double()
    else:
        nhwc = torch.randn((EXAMPLES, *input), generator=generator, dtype=torch.float32).double()
    x = nhwc.permute(0, 3, 1, 2) if len(input) == 3 else nhwc
    if loss_name == "softmaxCrossEntropy":
        labels = torch.randint(outputs, (EXAMPLES, shape[0] if len(shape) == 2 else 1), generator=generator).double()
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
        "initial": flat(parameters, parameters),
        # Each step takes the next examples and begins anew behind the last.
        "batches": [[(step * BATCH + i) % EXAMPLES for i in range(BATCH)] for step in range(STEPS)],
    }
    if optimizer["type"] == "sgd":
        torch_optimizer = torch.optim.SGD(
            parameters, rate, momentum=optimizer["momentum"], nesterov=optimizer["nesterov"], weight_decay=optimizer["weightDecay"])
    else:
        torch_optimizer = torch.optim.Adam(parameters, rate, betas=(0.9, 0.999), eps=1e-8, weight_decay=optimizer["weightDecay"])
    losses = []
    for step, rows in enumerate(result["batches"]):
        torch_optimizer.zero_grad()
        y = model(x[rows])
        value = loss(y, labels[rows])
        value.backward()
        losses.append(value)
        if step == 0:
            result["outputs"] = numbers(y)
            result["gradients"] = flat(parameters, [p.grad for p in parameters])
        torch_optimizer.step()
    result["losses"] = numbers(torch.stack(losses))
    result["final"] = flat(parameters, parameters)
    if any(isinstance(module, BatchNorm) for module in model.modules()):
        result["evaluated"] = numbers(model.eval()(x))
    return result


def main():
    cases = [record(index, case) for index, case in enumerate(CASES)]
    with open("recorded.json", "w", encoding="utf-8") as file:
        file.write('{\n"torch": ' + json.dumps(torch.__version__) + ',\n"cases": [\n')
        file.write(",\n".join(json.dumps(case, separators=(",", ":")) for case in cases))
        file.write("\n]\n}\n")


main()
