"""Features of crops that a frozen backbone computed once, kept beside the corpus."""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from slt_cli.corpus.arrays import load_arrays
from slt_cli.corpus.clip_files import load_clip_keypoints
from slt_cli.corpus.crop_store import CropStore
from slt_cli.corpus.paths import CROP_STREAMS, CorpusPaths
from slt_cli.data.crops import CROP_FOLDERS, read_crops
from slt_cli.errors import InputError
from slt_cli.storage.atomic import write_npz

FOLDER = "features"
Features = npt.NDArray[np.float32]
Embed = Callable[[Tensor], Tensor]
"""(N, 3, H, W) normalised crops -> (N, D) features, on any device."""


def feature_key(
    weights: Mapping[str, Tensor], config: Mapping[str, Any], *, image_size: int
) -> str:
    """What the features of a crop depend on besides the crop, as 16 hex digits.

    `weights` and `config` of the backbone, and the side in pixels of the crops given to it.
    """
    digest = hashlib.sha256(json.dumps([dict(config), image_size], sort_keys=True).encode())
    for name, tensor in sorted(weights.items()):
        array = tensor.detach().cpu().contiguous()
        digest.update(f"{name} {array.dtype} {tuple(array.shape)}".encode())
        digest.update(array.view(-1).view(torch.uint8).numpy())
    return digest.hexdigest()[:16]


def crops_hash(store: CropStore, part: str, video_id: str, seen: npt.NDArray[np.bool_]) -> str:
    """What a clip's crops of `part` hold, wherever they lie: the bytes of every `seen` (T,) frame.

    Raises `InputError` for a missing crop and for a damaged shard.
    """
    digest = hashlib.sha256(np.packbits(seen).tobytes() + str(len(seen)).encode())
    for frame in np.flatnonzero(seen).tolist():
        checksum = zlib.crc32(store.read(CROP_FOLDERS[part], video_id, frame))
        digest.update(checksum.to_bytes(4, "little"))
    return digest.hexdigest()


class FeatureCache:
    """`CORPUS/features/<part>-<key>/<video_id>.npz`: features of one part by one backbone.

    `key` is a `feature_key`: other weights have another folder. A file remembers the crops it was
    computed from. Folders of backbones no longer in use may be deleted at any time.
    """

    def __init__(self, corpus: CorpusPaths, part: str, key: str) -> None:
        self.folder = corpus.root / FOLDER / f"{part}-{key}"

    def path(self, video_id: str) -> Path:
        """Where the features of a clip lie."""
        return self.folder / f"{video_id}.npz"

    def load(self, video_id: str, crop_hash: str) -> Features | None:
        """(T, D) features; None when there are none, they are damaged, or of other crops."""
        try:
            features, known = self._stored(video_id)
        except InputError:
            return None
        return features if known == crop_hash else None

    def read(self, video_id: str) -> Features:
        """(T, D) features of a clip that `cache_features` has checked. Raises `InputError`."""
        return self._stored(video_id)[0]

    def save(self, video_id: str, crop_hash: str, features: Features) -> None:
        """Write (T, D) features, whole or not at all. Raises `OutOfResources` on a full disk."""
        arrays = {"features": features, "crops": np.array(crop_hash)}
        write_npz(self.path(video_id), arrays)

    def _stored(self, video_id: str) -> tuple[Features, str]:
        path = self.path(video_id)
        try:
            arrays = load_arrays(path)
            features, known = arrays["features"], str(arrays["crops"])
        except (InputError, KeyError) as error:
            raise InputError(
                "features missing or damaged", where=str(path),
                hint="run the command again: it computes them anew",
            ) from error  # fmt: skip
        return features.astype(np.float32, copy=False), known


def cache_features(
    corpus: CorpusPaths,
    part: str,
    video_ids: Sequence[str],
    embed: Embed,
    *,
    key: str,
    image_size: int,
    frames_per_batch: int = 64,
    progress: Callable[[int, int], None],
) -> FeatureCache:
    """Compute the features that are missing, stale or damaged; calls `progress(done, total)`.

    Frames without a crop of `part` get zeros. Every clip is whole on disk before the next begins,
    so that a stopped run goes on where it was. Raises `InputError` for a missing crop.
    """
    cache, store = FeatureCache(corpus, part, key), CropStore(corpus)
    row = CROP_STREAMS.index(CROP_FOLDERS[part])
    progress(0, len(video_ids))
    for done, video_id in enumerate(video_ids, 1):
        seen = load_clip_keypoints(corpus.keypoints(video_id)).crop_source[row] > 0
        crop_hash = crops_hash(store, part, video_id, seen)
        if cache.load(video_id, crop_hash) is None:
            chunks = _chunks(np.flatnonzero(seen), frames_per_batch)
            crops = (read_crops(store, video_id, part, chunk, image_size) for chunk in chunks)
            found = [_embedded(embed, images) for images in crops]
            features = np.zeros((len(seen), found[0].shape[1]), np.float32)
            features[seen] = np.concatenate(found)
            cache.save(video_id, crop_hash, features)
        progress(done, len(video_ids))
    return cache


def _chunks(frames: npt.NDArray[np.int64], size: int) -> list[npt.NDArray[np.int64]]:
    """Pieces of at most `size` frames; one empty piece when there are none, to learn the width."""
    return np.split(frames, range(size, len(frames), size))


@torch.no_grad()
def _embedded(embed: Embed, images: npt.NDArray[np.float32]) -> Features:
    features: Features = embed(torch.from_numpy(images)).float().cpu().numpy()
    return features
