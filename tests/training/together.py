"""What holds inside two processes; test_distributed starts them and looks at their exit codes.

In the end the first process is killed, and the other one says on stderr how it was told.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from slt_cli.errors import SltError, UsageError
from slt_cli.models.mska.encoder import MSKAEncoder
from slt_cli.models.mska.norm import MaskedBatchNorm
from slt_cli.models.recompute import recompute_activations
from slt_cli.training import distributed
from slt_cli.training.distributed import (
    average_gradients,
    end_together,
    largest,
    lost_processes,
    require_same,
    same_everywhere,
    start_processes,
    sum_over_processes,
    world,
)

POINTS = {"body": 5, "hand_right": 4}
Clips = list[dict[str, Tensor]]


def numbers_are_shared() -> None:
    rank = world().rank
    assert (world().size, world().is_main) == (2, rank == 0)
    for patient in (False, True):
        assert sum_over_processes([rank + 1, 2.0**-40], patient=patient) == [3.0, 2.0**-39]
    assert same_everywhere(10 + rank) == 10
    assert largest(10 + rank) == largest(11 - rank) == 11
    require_same("one corpus", "corpus")
    try:
        require_same(f"corpus {rank}", "corpus")
    except UsageError as error:
        assert error.message == "the processes do not have the same corpus"  # noqa: PT017
    else:
        raise AssertionError("a difference was not noticed")


def gradients_add_up() -> None:
    rank = world().rank
    distributed._BUCKET = 4
    model = nn.ParameterDict({name: torch.zeros(3) for name in ("both", "one", "none", "frozen")})
    model["precise"] = nn.Parameter(torch.zeros(2, 3, dtype=torch.float64).t())
    model["frozen"].requires_grad_(False)
    model["both"].grad = torch.tensor([1.0, 2.0, 3.0]) * (rank + 1)
    model["precise"].grad = torch.arange(6, dtype=torch.float64).view(2, 3).t() + rank
    if rank:
        model["one"].grad = torch.tensor([4.0, 5.0, 6.0])
    average_gradients(model)
    assert model["both"].grad.tolist() == [3, 6, 9]
    assert model["one"].grad.tolist() == [4, 5, 6]
    assert model["none"].grad is None
    assert model["frozen"].grad is None
    assert model["precise"].grad.tolist() == [[1, 7], [3, 9], [5, 11]]


def clips_of(lengths: list[int], seed: int) -> Clips:
    generator = torch.Generator().manual_seed(seed)
    return [
        {part: torch.rand(length, points, 3, generator=generator, dtype=torch.float64)
         for part, points in POINTS.items()}
        for length in lengths
    ]  # fmt: skip


def loss_of(model: MSKAEncoder, clips: Clips, *, counts: bool = True) -> Tensor:
    """Sum over the clips, padded to the longest; nothing counts in those of a stand-in."""
    lengths = torch.tensor([len(clip["body"]) for clip in clips])
    frame_valid = (torch.arange(int(lengths.max())) < lengths[:, None]) & counts
    points, valid = {}, {}
    for part in POINTS:
        points[part] = nn.utils.rnn.pad_sequence([clip[part] for clip in clips], batch_first=True)
        valid[part] = (points[part][..., 2] > 0.2) & frame_valid[..., None]
    seen = model(points, valid, frame_valid)
    scores = torch.stack([logits.log_softmax(-1)[..., 0] for logits in seen.logits.values()])
    return (scores.sum(0) + seen.gloss_feature.square().sum(-1))[seen.valid].sum()


@contextmanager
def sums_counted() -> Iterator[list[int]]:
    """How often this process took part in a sum over all; the other one must have as often."""
    counted, plain = [0], torch.distributed.all_reduce

    def counting(*arguments: Any, **named: Any) -> Any:
        counted[0] += 1
        return plain(*arguments, **named)

    torch.distributed.all_reduce = counting
    try:
        yield counted
    finally:
        torch.distributed.all_reduce = plain
    assert largest(counted[0]) == -largest(-counted[0])


def norms_wait_for_each_other(
    model: MSKAEncoder, cases: list[list[Clips]], *, recomputes: bool = False
) -> None:
    """Gradients and statistics as of one process, whatever the padding of each is.

    Each norm takes part in two sums forward and in two backward, also where nothing is padded and
    where no clip counts.
    """
    alone = learned_alone(small_encoder(), cases)
    sums = 4 * sum(isinstance(module, MaskedBatchNorm) for module in model.modules())
    for expected, (first, second) in zip(alone, cases, strict=True):
        mine = second if world().rank else first
        with sums_counted() as counted:
            loss = loss_of(model, mine or first, counts=bool(mine))
            loss.backward()
        assert counted[0] > sums if recomputes else counted[0] == sums
        assert_equal(sum_over_processes([loss.item()]), expected.pop("loss"))
        average_gradients(model)
        for name, value in {**gradients(model), **dict(model.named_buffers())}.items():
            assert_equal(value, expected[name], name)
        model.zero_grad()


def learned_alone(model: MSKAEncoder, cases: list[list[Clips]]) -> list[dict[str, Tensor]]:
    """The same clips in one process; `_processes` of the norms must not see the group."""
    from slt_cli.models.mska import norm

    processes, norm._processes = norm._processes, lambda: 1
    found = []
    for shares in cases:
        loss = loss_of(model, [clip for share in shares for clip in share])
        loss.backward()
        buffers = {name: buffer.clone() for name, buffer in model.named_buffers()}
        found.append({"loss": loss.detach()[None], **gradients(model), **buffers})
        model.zero_grad()
    norm._processes = processes
    return found


def gradients(model: nn.Module) -> dict[str, Tensor]:
    return {f"gradient of {n}": p.grad.clone() for n, p in model.named_parameters()}


def assert_equal(value: object, expected: Tensor, what: str = "loss") -> None:
    torch.testing.assert_close(
        torch.as_tensor(value, dtype=expected.dtype), expected, rtol=1e-8, atol=1e-8,
        msg=lambda text: f"{what}: {text}",
    )  # fmt: skip


def published_mode_goes_through(model: MSKAEncoder, shares: list[Clips]) -> None:
    """Its padding counts, so that results differ from those of one process; but nobody waits."""
    model.masked = False
    for stack in model.stacks.values():
        stack.masked = False
    mine = shares[world().rank]
    loss = loss_of(model, mine or shares[0], counts=bool(mine)) * bool(mine)
    loss.backward()
    average_gradients(model)
    assert all(torch.isfinite(p.grad).all() for p in model.parameters())


def small_encoder() -> MSKAEncoder:
    torch.manual_seed(0)
    return MSKAEncoder(
        num_points=POINTS, num_classes=4, width=16, blocks=2, stream_heads=2, dropout=0.0
    ).double()


def the_death_of_one_is_told() -> None:
    if world().is_main:
        os.kill(os.getpid(), signal.SIGKILL)
    started = time.monotonic()
    with pytest.raises(SltError) as caught, lost_processes():
        sum_over_processes([1.0])
    assert caught.value.of_one_process
    assert time.monotonic() - started < 30
    end_together()  # nobody is left to wait for
    print(f"told: {caught.value.message}", file=sys.stderr)
    sys.exit(caught.value.exit_code)


def main() -> None:
    torch.set_num_threads(1)
    start_processes(torch.device("cpu"))
    numbers_are_shared()
    gradients_add_up()
    padded, whole = clips_of([5, 11], 0), clips_of([8, 8], 1)
    cases = [[whole, padded], [padded, whole], [whole[:1], []], [padded, clips_of([7], 2)]]
    norms_wait_for_each_other(small_encoder(), cases)
    thrifty = small_encoder()
    for stack in thrifty.stacks.values():
        for block in stack.blocks:
            recompute_activations(block)
    norms_wait_for_each_other(thrifty, cases, recomputes=True)
    published_mode_goes_through(small_encoder(), [whole, padded])
    published_mode_goes_through(small_encoder(), [padded, []])
    end_together()
    the_death_of_one_is_told()


if __name__ == "__main__":
    main()
