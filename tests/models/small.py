"""A small model and random batches shared by tests."""

from __future__ import annotations

import torch

from slt_cli.models.decoder import TextSeq2SeqDecoder, build_seq2seq
from slt_cli.models.keypoints import KeypointEncoder
from slt_cli.models.multistream import MultiStreamEncoder
from slt_cli.models.temporal import TemporalTransformer
from slt_cli.models.translator import SltModel

POINTS = {"body": 5, "hand_left": 4, "hand_right": 4}


def small_model(*, family: str = "mbart", num_glosses: int = 6, seed: int = 0) -> SltModel:
    torch.manual_seed(seed)
    keypoints = KeypointEncoder(
        num_points=POINTS, channels=3, width=16, heads=2, blocks=1, kernel=3, dropout=0.1
    )
    encoder = MultiStreamEncoder(
        keypoints=keypoints, backbones={}, frozen=frozenset(), pose_points=0, projector_dim=16,
        temporal=TemporalTransformer(width=24, layers=1, heads=2, dropout=0.1), d_model=24,
    )  # fmt: skip
    decoder = build_seq2seq(
        family=family, vocab_size=40, d_model=24, layers=1, heads=2, dropout=0.1, max_source=64,
        max_target=32, pad_id=0, bos_id=1, eos_id=2,
    )  # fmt: skip
    return SltModel(
        encoder=encoder,
        decoder=TextSeq2SeqDecoder(decoder),
        d_model=24,
        num_glosses=num_glosses,
        fuse_glosses=True,
    )


def random_inputs(
    lengths: list[int], seed: int = 0
) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor], torch.Tensor]:
    """Streams, masks and frame mask of a padded batch."""
    generator = torch.Generator().manual_seed(seed)
    frames = max(lengths)
    frame_valid = torch.arange(frames) < torch.tensor(lengths)[:, None]
    streams, valid = {}, {}
    for name, count in POINTS.items():
        shape = (len(lengths), frames, count)
        valid[f"keypoints_{name}"] = (torch.rand(shape, generator=generator) > 0.2) & frame_valid[
            ..., None
        ]
        points = torch.randn((*shape, 3), generator=generator)
        streams[f"keypoints_{name}"] = points * valid[f"keypoints_{name}"][..., None]
    return streams, valid, frame_valid
