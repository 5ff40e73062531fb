"""The peer of the engine benchmarks: the same training steps in PyTorch, on one thread.

Reads one request per line, "NAME INPUTS BATCH SECONDS", and answers with one JSON line: steps per second of the faster of PyTorch's two SGD variants.
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


def model(name):
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


def examples(inputs, batch, shape):
    if inputs == "noise":
        return torch.rand(batch, *shape), torch.randint(0, 10, (batch,))
    images, labels = sys.argv[1:]
    return idx(images, 16, 784 * batch).reshape(batch, *shape) / 255, idx(labels, 8, batch)


def trainer(name, inputs, batch, foreach):
    net, shape = model(name)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01, foreach=foreach)
    x, y = examples(inputs, batch, shape)

    def step():
        optimizer.zero_grad(set_to_none=True)
        F.cross_entropy(net(x), y).backward()
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


print(json.dumps({"torch": torch.__version__, "openblas": os.environ.get("OPENBLAS_CORETYPE", "as detected")}), flush=True)
steps = {}
for line in sys.stdin:
    name, inputs, batch, seconds = line.split()
    key = (name, inputs, int(batch))
    if key not in steps:
        make = product if name == "gemm" else trainer
        variants = [make(*key, foreach) for foreach in (False, True)]
        for variant in variants:
            rate(variant, 0.3)
        steps[key] = max(variants, key=lambda variant: rate(variant, 0.5))
    print(json.dumps({"rate": rate(steps[key], float(seconds))}), flush=True)
