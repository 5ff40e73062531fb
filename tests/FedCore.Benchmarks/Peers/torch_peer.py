"""The peer of the engine benchmarks: the same training steps in PyTorch, on one thread.

Reads one request per line, "NAME BATCH SECONDS", and answers with one JSON line: steps per second of the faster of PyTorch's two SGD variants.
The first line that it prints says what PyTorch it is.
"""
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


def trainer(name, batch, foreach):
    net, shape = model(name)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01, foreach=foreach)
    x, y = torch.rand(batch, *shape), torch.randint(0, 10, (batch,))

    def step():
        optimizer.zero_grad(set_to_none=True)
        F.cross_entropy(net(x), y).backward()
        optimizer.step()

    return step


def product(_, size, __):
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
    name, batch, seconds = line.split()
    key = (name, int(batch))
    if key not in steps:
        make = product if name == "gemm" else trainer
        variants = [make(name, int(batch), foreach) for foreach in (False, True)]
        for variant in variants:
            rate(variant, 0.3)
        steps[key] = max(variants, key=lambda variant: rate(variant, 0.5))
    print(json.dumps({"rate": rate(steps[key], float(seconds))}), flush=True)
