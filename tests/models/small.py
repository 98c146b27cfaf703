"""A small model and random batches shared by tests."""

from __future__ import annotations

import torch

from slt_cli.models.decoder import TextSeq2SeqDecoder, build_seq2seq
from slt_cli.models.mapper import GlossEmbedding, GlossMLP
from slt_cli.models.mska.encoder import MSKAEncoder
from slt_cli.models.multistream import MultiStreamEncoder
from slt_cli.models.temporal import TemporalTransformer
from slt_cli.models.translator import Fusion, SltModel

POINTS = {"body": 5, "hand_right": 4}
POSE = 6
WIDTH = 24


def small_model(
    *,
    family: str = "mbart",
    num_glosses: int = 6,
    seed: int = 0,
    keypoints: bool = True,
    pose: bool = False,
    fusion: Fusion = "add",
    probabilities: bool = False,
) -> SltModel:
    torch.manual_seed(seed)
    classes = num_glosses + 1 if num_glosses else 0
    mska = MSKAEncoder(
        num_points=POINTS, num_classes=classes, width=16, blocks=2, stream_heads=2
    ) if keypoints else None  # fmt: skip
    mapper: GlossMLP | GlossEmbedding | None = None
    if mska is not None and (fusion != "none" or not pose):
        mapper = GlossMLP(
            in_dim=mska.gloss_dim, out_dim=WIDTH, hidden=[20], activation="relu",
            negative_slope=0.1, dropout=0.0,
        )  # fmt: skip
        if probabilities:
            mapper = GlossEmbedding(num_classes=classes, out_dim=WIDTH)
    encoder = MultiStreamEncoder(
        backbones={}, pose_dim=POSE * 3, projector_dim=16, d_model=WIDTH,
        temporal=TemporalTransformer(width=WIDTH, layers=1, heads=2, dropout=0.1),
    ) if pose else None  # fmt: skip
    decoder = build_seq2seq(
        family=family, vocab_size=40, d_model=WIDTH, layers=1, heads=2, dropout=0.1, max_source=64,
        max_target=32, pad_id=0, bos_id=1, eos_id=2,
    )  # fmt: skip
    return SltModel(
        mska=mska, mapper=mapper, encoder=encoder, decoder=TextSeq2SeqDecoder(decoder),
        fusion=fusion, num_classes=classes,
    )  # fmt: skip


def random_inputs(
    lengths: list[int], seed: int = 0
) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor], torch.Tensor]:
    """Streams, masks and frame mask of a padded batch."""
    generator = torch.Generator().manual_seed(seed)
    frames = max(lengths)
    frame_valid = torch.arange(frames) < torch.tensor(lengths)[:, None]
    streams, valid = {}, {}
    named = {f"keypoints_{part}": count for part, count in POINTS.items()} | {"pose": POSE}
    for name, count in named.items():
        shape = (len(lengths), frames, count)
        valid[name] = (torch.rand(shape, generator=generator) > 0.2) & frame_valid[..., None]
        valid[name][:, 1] = False  # a frame in which nothing was seen
        points = torch.rand((*shape, 3), generator=generator)
        streams[name] = points * valid[name][..., None]
    return streams, valid, frame_valid
