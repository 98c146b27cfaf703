"""Twenty updates of a small model, as one process or as one of several: what test_distributed runs.

    python two_processes.py OUT.pt

RANK, WORLD_SIZE and MASTER_* say which process this is, as `torchrun` would. OUT.pt of the first
process gets the losses of every update and the weights at the end.
"""

from __future__ import annotations

import os
import sys
from itertools import islice

import numpy as np
import torch
from torch import nn

from slt_cli.data.loader import TrainLoader
from slt_cli.data.sample import ClipSample
from slt_cli.training.distributed import (
    average_gradients,
    require_same,
    start_processes,
    stop_processes,
    sum_over_processes,
    world,
)
from slt_cli.training.loop import LoopConfig, compute_losses
from tests.models.small import POINTS, small_model

STEPS, ACCUMULATED = 20, 2
# In batches of four, with one clip left over: two processes get 2 + 2 clips, or 1 and none.
LENGTHS = [9, 30, 17, 5, 12, 12, 24, 8, 21, 14, 40, 6, 33]
CONFIG = LoopConfig(
    epochs=1, lr=0.02, warmup_steps=0, schedule="none", grad_accum_steps=ACCUMULATED,
    clip_grad_norm=1.0, label_smoothing=0.1, translation_weight=1.0, ctc_weight=1.0,
    distillation_weight=1.0, distillation_temperature=1.0, detach_teacher=True, masked=True,
    save_every_steps=0,
)  # fmt: skip


class MadeUpClips:
    """Clips of random points; every third one has no glosses."""

    def lengths(self) -> list[int]:
        return LENGTHS

    def __getitem__(self, item: tuple[int, int]) -> ClipSample:
        epoch, index = item
        rng = np.random.default_rng([epoch, index])
        frames = LENGTHS[index]
        streams, valid = {}, {}
        for part, points in POINTS.items():
            streams[f"keypoints_{part}"] = rng.random((frames, points, 3), dtype=np.float32)
            valid[f"keypoints_{part}"] = rng.random((frames, points)) > 0.2
        words = rng.integers(3, 40, 2 + index % 5).tolist()
        glosses = rng.integers(1, 7, 1).tolist() if index % 3 else []
        return ClipSample(f"clip_{index}", streams, valid, "", [*words, 2], glosses)


def model_without_dropout() -> nn.Module:
    model = small_model()
    for module in model.modules():
        for name, value in vars(module).items():
            if "drop" in name and isinstance(value, float):
                setattr(module, name, 0.0)
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    return model.train()


def main(out: str) -> None:
    torch.set_num_threads(1)
    start_processes(torch.device("cpu"))
    rank, size = world().rank, world().size
    assert size == int(os.environ.get("WORLD_SIZE", "1")), "the processes did not find each other"
    require_same("made-up clips", "data")
    model = model_without_dropout()
    loader = TrainLoader(
        MadeUpClips(), batch_size=4, max_batch_frames=0, num_workers=0, pin_memory=False, seed=0,
        worker_init=lambda worker: None, rank=rank, size=size,
    )  # fmt: skip
    optimizer = torch.optim.SGD(model.parameters(), lr=CONFIG.lr, momentum=0.9)
    losses, clips, empty = [], [], 0
    batches = (batch for epoch in range(100) for batch in loader.epoch(epoch, 0))
    for batch in islice(batches, STEPS * ACCUMULATED):
        terms = compute_losses(model, batch, CONFIG)
        (terms["loss"] / ACCUMULATED).backward()
        names = ("loss", "translation", "ctc", "distillation", "token")
        losses.append(sum_over_processes([terms[name].item() for name in names]))
        clips.append(sum_over_processes([len(batch.video_ids)])[0])
        empty += not batch.video_ids
        if len(losses) % ACCUMULATED == 0:
            average_gradients(model)
            nn.utils.clip_grad_norm_(model.parameters(), CONFIG.clip_grad_norm)
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
    if world().is_main:
        torch.save(
            {"losses": losses, "clips": clips, "size": size, "model": model.state_dict()}, out
        )
    assert sum_over_processes([empty])[0] == (size > 1) * clips.count(1.0)
    stop_processes()


if __name__ == "__main__":
    main(sys.argv[1])
