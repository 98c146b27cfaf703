"""Twenty updates of a small model, as one process or as one of several: what test_distributed runs.

    python two_processes.py OUT.pt

RANK, WORLD_SIZE and MASTER_* say which process this is, as `torchrun` would. OUT.pt of the first
process gets what `learn` returns.
"""

from __future__ import annotations

import os
import sys
from typing import Any

import numpy as np
import torch
from torch import nn

from slt_cli.data.loader import TrainLoader
from slt_cli.data.sample import ClipSample
from slt_cli.training.distributed import require_same, start_processes, stop_processes, world
from slt_cli.training.loop import fit
from slt_cli.training.optim import PARTS, build_optimizer
from slt_cli.training.state import Progress
from tests.models.small import POINTS, small_model
from tests.training.made_up import config

STEPS = 20
# In batches of four, with one clip left over: two processes get 2 + 2 clips, or 1 and none.
LENGTHS = [9, 30, 17, 5, 12, 12, 24, 8, 21, 14, 40, 6, 33]
# Half of the gradients are longer than the clipping allows: what scales them all must show, too.
# At a larger rate rounding grows by half in every update, until it hides what is compared.
CONFIG = config(
    epochs=100, max_train_steps=STEPS, lr=0.0003, grad_accum_steps=2, clip_grad_norm=16.0,
    label_smoothing=0.1,
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


def without_dropout(model: nn.Module) -> nn.Module:
    for module in model.modules():
        for name, value in vars(module).items():
            if "drop" in name and isinstance(value, float):
                setattr(module, name, 0.0)
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    return model


def learn() -> dict[str, Any]:
    """The loss and its terms after each update, the means of each epoch, the weights at the end."""
    model = without_dropout(small_model())
    loader = TrainLoader(
        MadeUpClips(), batch_size=4, max_batch_frames=0, num_workers=0, pin_memory=False, seed=0,
        worker_init=lambda worker: None, rank=world().rank, size=world().size,
    )  # fmt: skip
    updates: list[list[float]] = []
    epochs: list[dict[str, float]] = []

    def report(event: str, **facts: Any) -> None:
        if event == "train":
            updates.append([facts["loss"], *facts["terms"].values()])

    def end_of_epoch(progress: Progress, means: dict[str, float]) -> float:
        names = ("loss", "translation", "ctc", "distillation", "token", "clips", "frames")
        epochs.append({name: means[name] for name in names})
        return means["loss"]

    optimizer = build_optimizer(
        model, kind="sgd", rates=dict.fromkeys(PARTS, CONFIG.lr), weight_decay=0.01, momentum=0.9
    )
    fit(
        model, optimizer, loader, CONFIG, Progress(), device=torch.device("cpu"),
        save=lambda *_, **__: None, end_of_epoch=end_of_epoch, report=report,
        should_stop=lambda: None,
    )  # fmt: skip
    return {
        "size": world().size, "updates": updates, "epochs": epochs, "model": model.state_dict(),
    }  # fmt: skip


def main(out: str) -> None:
    torch.set_num_threads(1)
    start_processes(torch.device("cpu"))
    assert world().size == int(os.environ["WORLD_SIZE"]), "the processes did not find each other"
    require_same("made-up clips", "data")
    learned = learn()
    if world().is_main:
        torch.save(learned, out)
    stop_processes()
    assert world().size == 1


if __name__ == "__main__":
    main(sys.argv[1])
