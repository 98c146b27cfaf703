"""Training step of the four keypoint stacks, against its own matrix products and a plain version.

python examples/benchmarks/mska_speed.py

Each way runs in a process of its own, one step to warm up and one that counts, and the ways take
turns, so that whatever else the machine does slows all of them alike. Threads that wait sleep, so
that CPU seconds are seconds of work. The matrix products read and write tensors that are there
already.
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from plain_mska import PlainStack
from record import record
from torch import Tensor

from slt_cli.models.mska.stack import KeypointStreamEncoder, block_widths

JOINTS = {"hand_left": 27, "hand_right": 27, "face": 26, "body": 79}
HEADS = 6
WAYS = {
    "products": "matrix products and convolutions alone",
    "slt": "slt, four stacks, padding and missing points masked",
    "plain": "plain transcription, no masks",
}
Step = Callable[[], None]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--frames", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", choices=WAYS, help="measure this way here and print JSON")
    args = parser.parse_args()
    if args.only:
        print(json.dumps(measure(args.only, args.batch, args.frames)))
    else:
        print(table(args.batch, args.frames, args.rounds))


def table(batch: int, frames: int, rounds: int) -> str:
    found: dict[str, list[dict[str, float]]] = {way: [] for way in WAYS}
    loads = []
    for _ in range(rounds):
        for way in WAYS:
            loads.append(os.getloadavg()[0])
            command = [sys.executable, __file__, "--only", way]
            command += ["--batch", str(batch), "--frames", str(frames)]
            done = subprocess.run(
                command, check=True, stdout=subprocess.PIPE, text=True,
                env=os.environ | {"OMP_WAIT_POLICY": "passive"},
            )  # fmt: skip
            found[way].append(json.loads(done.stdout))
            print(way, found[way][-1], file=sys.stderr)
    plain = max(one["peak_mib"] for one in found["plain"])
    rows = []
    for way, many in found.items():
        peak = max(one["peak_mib"] for one in many)
        cells: list[object] = [WAYS[way]]
        for unit in ("wall_s", "cpu_s"):
            pairs = zip(many, found["products"], strict=True)
            cells.append(statistics.median(one[unit] for one in many))
            cells.append(statistics.median(one[unit] / base[unit] for one, base in pairs))
        rows.append([*cells, round(peak), peak / plain])
    columns = [
        f"forward + backward, {batch} clips of {frames} frames, {torch.get_num_threads()} threads, "
        f"load of the machine {min(loads):.1f} to {max(loads):.1f}",
        f"wall s, median of {rounds}", "of the products", "CPU s", "of the products",
        "peak MiB", "of the plain one",
    ]  # fmt: skip
    command = f"python examples/benchmarks/mska_speed.py --batch {batch} --frames {frames}"
    return record("Speed of the keypoint stacks", command, columns, rows)


def measure(way: str, batch: int, frames: int) -> dict[str, float]:
    """Time of the second step, and how far memory rose above what models and inputs take."""
    torch.manual_seed(0)
    step = {"slt": slt_step, "plain": plain_step, "products": products_step}[way](batch, frames)
    before = _resident_mib()
    step()
    wall, cpu = time.perf_counter(), time.process_time()
    step()
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"wall_s": wall, "cpu_s": cpu, "peak_mib": peak - before}


def slt_step(batch: int, frames: int) -> Step:
    """Default mode: no padding, every point with a confidence of its own."""
    stacks = {part: KeypointStreamEncoder(num_points=v) for part, v in JOINTS.items()}
    points = {part: torch.rand(batch, frames, v, 3) for part, v in JOINTS.items()}
    frame_valid = torch.ones(batch, frames, dtype=torch.bool)

    def forward(part: str) -> Tensor:
        valid = frame_valid[..., None].expand(-1, -1, JOINTS[part])
        return stacks[part](points[part], valid, frame_valid)[0]

    return lambda: _train(list(stacks.values()), [forward(part) for part in stacks])


def plain_step(batch: int, frames: int) -> Step:
    stacks = {part: PlainStack(v) for part, v in JOINTS.items()}
    points = {part: torch.rand(batch, frames, v, 3) for part, v in JOINTS.items()}
    return lambda: _train(
        list(stacks.values()), [stack(points[part]) for part, stack in stacks.items()]
    )


def _train(stacks: list[torch.nn.Module], features: list[Tensor]) -> None:
    """The backward pass for a loss over the features of all stacks."""
    for stack in stacks:
        stack.zero_grad()
    torch.cat(features, dim=-1).square().mean().backward()


def products_step(batch: int, frames: int) -> Step:
    runs = [run for v in JOINTS.values() for run in _products_of_a_stack(batch, frames, v)]

    def step() -> None:
        for run in runs:
            run()

    return step


def _products_of_a_stack(b: int, t: int, v: int) -> Iterator[Step]:
    """Every matrix product and convolution of a stack, with the two of each for its gradients."""
    widths = block_widths(256, 8)
    yield _product(b * t * v, 3, widths[0])
    for i, (c, d) in enumerate(itertools.pairwise(widths)):
        stride, e = 2 if i in (0, 4) else 1, d // 4
        yield _product(b * t * v, c, 2 * HEADS * e)  # queries and keys
        yield _product(v, t * e, v, batch=b * HEADS)  # their scores
        yield _product(HEADS * v, v, t * c, batch=b)  # mixed joints
        yield _product(b * t * v, HEADS * c, d)
        yield _product(b * t * v, d, d)
        yield _convolution(b, d, v, t, 3 if i else 7, stride)
        t_out = -(-t // stride)
        if c != d or stride > 1:
            yield _product(b * t * v, c, d)
            yield _product(b * t * v, c, d)
            yield _product(b * t_out * v, d, d)
        t = t_out


def _product(n: int, k: int, m: int, *, batch: int = 1) -> Step:
    """(N, K) @ (K, M), `batch` times, and the products of both gradients."""
    shapes = {"x": (n, k), "w": (k, m), "y": (n, m)}

    def run() -> None:
        x, w, y = (_scratch(name, (batch, *shape)) for name, shape in shapes.items())
        dx, dw, dy = (_scratch("d" + name, (batch, *shape)) for name, shape in shapes.items())
        torch.bmm(x, w, out=y)
        torch.bmm(dy, w.transpose(1, 2), out=dx)
        torch.bmm(x.transpose(1, 2), dy, out=dw)

    return run


def _convolution(b: int, d: int, v: int, t: int, kernel: int, stride: int) -> Step:
    x, w = torch.rand(b, v, t, d).permute(0, 3, 1, 2), torch.rand(d, d, 1, kernel)
    options = ([1, stride], [0, kernel // 2], [1, 1], False, [0, 0], 1)

    def run() -> None:
        y = torch.convolution(x, w, None, *options)
        torch.ops.aten.convolution_backward(y, x, w, [d], *options, [True, True, False])

    return run


_SCRATCH: dict[str, Tensor] = {}


def _scratch(name: str, shape: tuple[int, ...]) -> Tensor:
    """Numbers in this shape; the same memory for all products, so that it is there already."""
    size = math.prod(shape)
    if name not in _SCRATCH or len(_SCRATCH[name]) < size:
        _SCRATCH[name] = torch.rand(size)
    return _SCRATCH[name][:size].view(shape)


def _resident_mib() -> float:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError("no VmRSS")


if __name__ == "__main__":
    main()
