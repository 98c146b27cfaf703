"""Where the corpus lies and how it becomes batches."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from slt_cli.settings.base import Section, setting

_Bound = Annotated[float, Field(ge=-360, le=360)]
Range = tuple[_Bound, _Bound]
Shift = tuple[_Bound] | tuple[_Bound, _Bound] | tuple[_Bound, _Bound, _Bound, _Bound]
MixedStream = Literal["face", "hand_left", "hand_right", "pose"]
Share = Annotated[float, Field(ge=0, le=1)]


class DataSettings(Section):
    """Corpus paths, batching and keypoint augmentation."""

    corpus: Path = setting(
        Path("corpus"), "corpus folder; sets every data path below at once", flag="--data"
    )
    face_dir: Path | None = setting(None, "face crops, if not CORPUS/face")
    hand_left_dir: Path | None = setting(None, "left-hand crops, if not CORPUS/hand_l")
    hand_right_dir: Path | None = setting(None, "right-hand crops, if not CORPUS/hand_r")
    pose_dir: Path | None = setting(None, "pose .npz files, if not CORPUS/pose")
    keypoints_dir: Path | None = setting(None, "keypoint files, if not CORPUS/keypoints")
    metadata_csv: Path | None = setting(None, "video_id;texto table, if not CORPUS/meta.csv")
    gloss_csv: Path | None = setting(None, "gloss table, if not CORPUS/annotations/gloss.csv")
    train_index: Path | None = setting(None, "training ids, if not CORPUS/index/train.csv")
    val_index: Path | None = setting(None, "validation ids, if not CORPUS/index/val.csv")
    test_index: Path | None = setting(None, "test ids, if not CORPUS/index/test.csv")
    work_dir: Path | None = setting(None, "run folder; work_dirs/<preset> when not given")
    batch_size: int = setting(8, "clips per training step", ge=1, le=4096)
    val_batch_size: int = setting(16, "clips per validation batch", ge=1, le=4096)
    max_batch_frames: int = setting(
        0, "most frames in a training batch, padding included; 0: batch_size clips, however long",
        ge=0, le=10**7,
    )  # fmt: skip
    num_workers: int = setting(0, "data-loading processes; 0 loads in the main one", ge=0, le=64)
    pin_memory: bool = setting(False, "prepare batches in memory that a GPU reads faster")
    damaged_clips: Literal["skip", "fail"] = setting(
        "skip", "clips whose files cannot be read: name and leave them out, or stop"
    )
    target_text: list[Literal["lowercase", "strip_punctuation", "strip_accents"]] = setting(
        [], "what is done to the target texts, in this order; spaces are always tidied"
    )
    max_target_length: int = setting(64, "longest target text in tokens", ge=4, le=1024)
    tokenizer: str | None = setting(
        None, "name or folder of a Hugging Face tokenizer; trained on the texts when not given"
    )
    tokenizer_search_path: list[Path] = setting(
        [], "folders in which pretrained tokenizers are looked for by name"
    )
    tokenizer_local_files_only: bool = setting(
        True, "look for the tokenizer on this machine only; off also needs --allow-download"
    )
    prune_vocabulary: bool = setting(
        False, "keep only the pieces of a pretrained vocabulary that the training texts use"
    )
    keypoint_normalization: Literal["signer", "published"] = setting(
        "signer",
        "signer: relative to the signer's shoulders; published: to the picture, as MSKA does",
    )
    pose_normalization: Literal["signing_space_v1", "signmusketeers"] = setting(
        "signing_space_v1", "how pose points are placed: as stored, or as SignMusketeers does"
    )
    feature_cache: bool = setting(
        False, "keep the features of frozen backbones in CORPUS/features instead of computing them"
    )
    keypoint_interpolate_gap: int = setting(
        12, "fill points that are missing for at most this many frames", ge=0, le=1000
    )
    keypoint_normalize_center: bool = setting(
        True,
        "put the signer into the origin; off keeps the place in the picture, as published does",
    )
    keypoint_mirror: float = setting(
        0.0, "share of clips that are mirrored in training, left and right exchanged", ge=0, le=1
    )
    keypoint_scale_range: Range = setting((0.9, 1.1), "random scale of the keypoints (min,max)")
    keypoint_rotate_range: Range = setting((-10.0, 10.0), "random rotation in degrees (min,max)")
    keypoint_translate_range: Shift = setting(
        (-0.05, 0.05),
        "random shift in shoulder widths (published: half pictures): x for -x to x, min,max, or "
        "min_x,max_x,min_y,max_y",
    )
    keypoint_resample_range: Range = setting((0.85, 1.15), "random change of speed (min,max)")
    keypoint_point_dropout: float = setting(
        0.0, "share of the points that are lost at random in training", ge=0, lt=1
    )
    keypoint_frame_dropout: int = setting(
        0, "lose all points of up to this many frames in a row, once in a clip in training",
        ge=0, le=1000,
    )  # fmt: skip

    temporal_jitter: float = setting(
        0.0, "share of a clip that may be cut off at random at either end in training", ge=0, lt=0.5
    )
    crop_color_jitter: float = setting(
        0.0, "random change of brightness, contrast and colour of crops, the same for a whole clip",
        ge=0, le=1,
    )  # fmt: skip
    crop_zoom_range: Range = setting(
        (1.0, 1.0), "random zoom of the crops (min,max), the same for a whole clip"
    )
    mix_streams: dict[MixedStream, Share] = setting(
        {},
        "exchange a stream between the clips of a batch with this probability: STREAM[:P], P 1 "
        "when not given",
        flag="--mix-stream",
    )

    def contradictions(self) -> Iterator[str]:
        """Ranges that are upside down or hold factors of zero and less."""
        names = [f"keypoint_{name}_range" for name in ("scale", "rotate", "translate", "resample")]
        for name in (*names, "crop_zoom_range"):
            given = getattr(self, name)
            for low, high in zip(given[::2], given[1::2], strict=False):
                if low > high:
                    yield f"{name}: min {low} is above max {high}"
                if name.split("_")[1] in {"scale", "resample", "zoom"} and low <= 0:
                    yield f"{name}: factors must be above 0, not {low}"
