"""Features of frozen backbones, computed once for a corpus."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from slt_cli.corpus.paths import CorpusPaths
from slt_cli.data.feature_cache import FeatureCache, cache_features, feature_key
from slt_cli.models.multistream import MultiStreamEncoder
from slt_cli.settings.root import Settings


def build_feature_caches(
    settings: Settings,
    corpus: CorpusPaths,
    video_ids: Sequence[str],
    encoder: MultiStreamEncoder | None,
    *,
    device: torch.device,
    progress: Callable[[int, int], None],
) -> dict[str, FeatureCache]:
    """Part -> the features of its frozen backbone, all there for these clips.

    Nothing without `data.feature_cache` or frozen backbones. Only what is missing or stale is
    computed, on `device`, where the backbones of `encoder` must be; `progress` gets (done, total)
    over all parts. Raises what `cache_features` raises.
    """
    if not settings.data.feature_cache or encoder is None:
        return {}
    parts, size = sorted(encoder.frozen), settings.model.image_size
    caches = {}
    for number, part in enumerate(parts):
        backbone, before = encoder.backbones[part], number * len(video_ids)
        caches[part] = cache_features(
            corpus, part, video_ids, _embed(backbone, device),
            key=feature_key(backbone.state_dict(), _description(backbone), image_size=size),
            image_size=size,
            progress=lambda done, total, before=before: progress(before + done, len(parts) * total),
        )  # fmt: skip
    return caches


def _description(backbone: nn.Module) -> dict[str, object]:
    """What a backbone computes, besides its weights."""
    return {"class": type(backbone).__name__, **getattr(backbone, "config", {})}


def _embed(backbone: nn.Module, device: torch.device) -> Callable[[Tensor], Tensor]:
    return lambda pixels: backbone(pixels.to(device)).cls
