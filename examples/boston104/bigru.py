"""The baseline: a small bidirectional GRU with CTC on the tracks and their changes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn

from slt_cli.data.collate import collate
from slt_cli.data.dataset import ClipDataset
from slt_cli.data.sample import Batch
from slt_cli.losses.ctc import gloss_ctc_loss

HIDDEN, LAYERS, DROPOUT = 96, 2, 0.4
LR, WEIGHT_DECAY, CLIP = 2e-3, 1e-3, 5.0
BATCH = 8


class BiGRU(nn.Module):
    """Normalised points and their first differences to gloss scores, at the corpus's frame rate."""

    def __init__(self, num_points: int, num_classes: int) -> None:
        super().__init__()
        self.drop = nn.Dropout(DROPOUT)
        self.gru = nn.GRU(
            4 * num_points, HIDDEN, LAYERS, batch_first=True, bidirectional=True, dropout=DROPOUT
        )
        self.classify = nn.Linear(2 * HIDDEN, num_classes)

    def forward(self, batch: Batch) -> Tensor:
        """(B, T, K) scores."""
        xy = batch.streams["keypoints_body"][..., :2].flatten(2)
        change = torch.diff(xy, dim=1, prepend=xy[:, :1])
        lengths = batch.frame_valid.sum(1)
        packed = nn.utils.rnn.pack_padded_sequence(
            torch.cat([xy, 10 * change], -1), lengths, batch_first=True, enforce_sorted=False
        )
        padded, _ = nn.utils.rnn.pad_packed_sequence(self.gru(packed)[0], batch_first=True)
        return self.classify(self.drop(padded))


def train_bigru(
    dataset: ClipDataset, num_classes: int, *, epochs: int, seed: int, report: Callable[[str], None]
) -> BiGRU:
    """Train on every clip of `dataset`, with a learning rate that goes up and down once."""
    torch.manual_seed(seed)
    model = BiGRU(dataset.num_points()["body"], num_classes)
    steps = -(-len(dataset) // BATCH)
    optimizer = torch.optim.AdamW(model.parameters(), lr=LR, weight_decay=WEIGHT_DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, LR, total_steps=epochs * steps)
    for epoch in range(epochs):
        model.train()
        total = 0.0
        order = np.random.default_rng([seed, epoch]).permutation(len(dataset))
        for clips in np.array_split(order, steps):
            batch = collate([dataset[epoch, int(clip)] for clip in clips])
            loss = gloss_ctc_loss(
                model(batch), batch.frame_valid, batch.glosses, batch.gloss_lengths
            )
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), CLIP)
            optimizer.step()
            schedule.step()
            total += loss.item()
        if (epoch + 1) % 10 == 0 or epoch + 1 == epochs:
            report(f"bigru: epoch {epoch + 1} of {epochs}, loss {total / steps:.3f}")
    return model.eval()
