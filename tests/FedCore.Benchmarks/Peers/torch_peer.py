"""The peer of the engine benchmarks: the same training steps in PyTorch, on one thread.

Reads one request per line, "NAME INPUTS BATCH SECONDS", and answers with one JSON line: steps per second of the faster of PyTorch's two SGD variants,
and of two attentions.
INPUTS is "noise", or "mnist" where the paths of an IDX file of images and one of labels are given. The first line that it prints says what PyTorch it is.
"""
import gzip
import json
import os
import sys
import time

import torch
import torch.nn as nn
import torch.nn.functional as F

torch.set_num_threads(1)
torch.manual_seed(1)


class Last(nn.Module):
    """An LSTM's output of the last token."""

    def __init__(self, width, units):
        super().__init__()
        self.lstm = nn.LSTM(width, units, batch_first=True)

    def forward(self, x):
        return self.lstm(x)[0][:, -1]


class Attention(nn.Module):
    """PyTorch's own module, which computes in C++ what it can."""

    def __init__(self, tokens, width, heads):
        super().__init__()
        self.attention = nn.MultiheadAttention(width, heads, batch_first=True)
        self.mask = torch.full((tokens, tokens), float("-inf")).triu(1)

    def forward(self, x):
        return self.attention(x, x, x, attn_mask=self.mask, need_weights=False)[0]


class PlainAttention(nn.Module):
    """The same from products and a softmax."""

    def __init__(self, tokens, width, heads):
        super().__init__()
        self.projection, self.output, self.heads = nn.Linear(width, 3 * width), nn.Linear(width, width), heads
        self.mask = torch.full((tokens, tokens), float("-inf")).triu(1)

    def forward(self, x):
        n, tokens, width = x.shape
        q, k, v = (part.reshape(n, tokens, self.heads, -1).transpose(1, 2) for part in self.projection(x).chunk(3, dim=-1))
        scores = torch.baddbmm(self.mask, (q * (width // self.heads) ** -0.5).reshape(-1, tokens, width // self.heads),
                               k.reshape(-1, tokens, width // self.heads).transpose(1, 2))
        y = torch.bmm(scores.softmax(-1), v.reshape(-1, tokens, width // self.heads))
        return self.output(y.reshape(n, self.heads, tokens, -1).transpose(1, 2).reshape(n, tokens, width))


def model(name):
    if name == "lstm":
        return nn.Sequential(Last(256, 256), nn.Linear(256, 10)), (80, 256)
    if name in ("attention", "plain"):
        return nn.Sequential((Attention if name == "attention" else PlainAttention)(128, 128, 4), nn.Linear(128, 10)), (128, 128)
    if name == "logreg":
        return nn.Linear(784, 10), (784,)
    if name == "2nn":
        return nn.Sequential(nn.Linear(784, 200), nn.ReLU(), nn.Linear(200, 200), nn.ReLU(), nn.Linear(200, 10)), (784,)
    layers = [
        nn.Conv2d(1, 32, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(32, 64, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(3136, 512), nn.ReLU(), nn.Linear(512, 10),
    ]
    return nn.Sequential(*layers), (1, 28, 28)


def idx(path, header, count):
    with open(path, "rb") as file:
        compressed = file.read(2) == b"\x1f\x8b"
    with (gzip.open if compressed else open)(path, "rb") as file:
        return torch.tensor(list(file.read(header + count)[header:]))


def examples(inputs, batch, shape, tokens):
    if inputs == "noise":
        return torch.rand(batch, *shape), torch.randint(0, 10, (batch, *tokens))
    images, labels = sys.argv[1:]
    return idx(images, 16, 784 * batch).reshape(batch, *shape) / 255, idx(labels, 8, batch)


def trainer(name, inputs, batch, foreach):
    net, shape = model(name)
    tokens = shape[:1] if name in ("attention", "plain") else ()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01, foreach=foreach)
    x, y = examples(inputs, batch, shape, tokens)
    y = y.flatten()

    def step():
        optimizer.zero_grad(set_to_none=True)
        F.cross_entropy(net(x).flatten(0, 1) if tokens else net(x), y).backward()
        optimizer.step()

    return step


def product(_, __, size, ___):
    a, b = torch.rand(size, size), torch.rand(size, size)
    c = torch.empty(size, size)
    return lambda: torch.mm(a, b, out=c)


def rate(step, seconds):
    count, start = 0, time.perf_counter()
    while True:
        step()
        count += 1
        elapsed = time.perf_counter() - start
        if elapsed >= seconds:
            return count / elapsed


# Against the reference BLAS, which PyTorch takes where there is no other, a comparison would mean nothing.
torch.mm(torch.ones(64, 64), torch.ones(64, 64))
with open("/proc/self/maps", encoding="utf-8") as maps:
    if "openblas" not in maps.read():
        sys.exit("PyTorch is here, but without OpenBLAS.")

print(json.dumps({"torch": torch.__version__, "openblas": os.environ.get("OPENBLAS_CORETYPE", "as detected")}), flush=True)
steps = {}
for line in sys.stdin:
    name, inputs, batch, seconds = line.split()
    key = (name, inputs, int(batch))
    if key not in steps:
        make = product if name == "gemm" else trainer
        names = (name, "plain") if name == "attention" else (name,)
        variants = [make(kind, *key[1:], foreach) for kind in names for foreach in (False, True)]
        for variant in variants:
            rate(variant, 0.3)
        steps[key] = max(variants, key=lambda variant: rate(variant, 0.5))
    print(json.dumps({"rate": rate(steps[key], float(seconds))}), flush=True)
