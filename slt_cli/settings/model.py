"""The shape of the translation model."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from slt_cli.settings.base import Section, multiple_of, setting

Stream = Literal["keypoints", "face", "hand_left", "hand_right", "pose"]


class ModelSettings(Section):
    """Streams, encoder and text decoder."""

    streams: list[Stream] = setting(
        ["keypoints"], "inputs: keypoints, pose, and the crops face, hand_left, hand_right",
        min_length=1,
    )  # fmt: skip
    sequence_length: int = setting(
        256, "most frames a clip may have; longer clips are thinned evenly in time", ge=8, le=4096
    )
    d_model: int = setting(128, "width of the encoder and of the text decoder", ge=8, le=4096)
    projector_dim: int = setting(128, "width of each stream after its projector", ge=8, le=4096)
    image_size: int = setting(
        224, "side of the crops given to the backbones, in pixels", ge=32, le=518
    )
    face_backbone: str = setting(
        "slt_vitsmall_patch16", "face backbone: a model name or file::PATH:MODEL"
    )
    hand_left_backbone: str = setting(
        "slt_vitsmall_patch16", "left-hand backbone: a model name or file::PATH:MODEL"
    )
    hand_right_backbone: str = setting(
        "slt_vitsmall_patch16", "right-hand backbone: a model name or file::PATH:MODEL"
    )
    freeze_face_backbone: bool = setting(False, "keep the face backbone as it is")
    freeze_hand_left_backbone: bool = setting(False, "keep the left-hand backbone as it is")
    freeze_hand_right_backbone: bool = setting(False, "keep the right-hand backbone as it is")
    pose_landmarks: int = setting(17, "pose points used from pose/<id>.npz", ge=1, le=33)
    mska_heads: int = setting(4, "attention heads between the keypoint streams", ge=1, le=64)
    mska_temporal_blocks: int = setting(
        2, "temporal convolution blocks in each keypoint stream", ge=0, le=16
    )
    mska_temporal_kernel: int = setting(5, "frames seen by one temporal convolution", ge=1, le=31)
    mska_dropout: float = setting(0.1, "dropout in the keypoint streams", ge=0, lt=1)
    mska_translation_weight: float = setting(1.0, "weight of the translation loss", ge=0, le=1e3)
    mska_ctc_weight: float = setting(
        1.0, "weight of the gloss CTC loss, used where glosses exist", ge=0, le=1e3
    )
    mska_gloss_fusion: Literal["add", "none"] = setting(
        "add", "let the decoder read the recognised glosses beside the features"
    )
    temporal_layers: int = setting(2, "layers of the temporal transformer", ge=0, le=48)
    temporal_heads: int = setting(4, "heads of the temporal transformer", ge=1, le=64)
    temporal_dropout: float = setting(0.1, "dropout of the temporal transformer", ge=0, lt=1)
    decoder_model: Literal["mbart", "t5"] = setting("mbart", "family of the text decoder")
    decoder_layers: int = setting(2, "layers of the text decoder", ge=1, le=48)
    decoder_heads: int = setting(4, "heads of the text decoder", ge=1, le=64)
    decoder_dropout: float = setting(0.1, "dropout of the text decoder", ge=0, lt=1)
    vocab_size: int = setting(
        1000, "most pieces of the tokenizer trained on the training texts", ge=32, le=250_000
    )

    def contradictions(self) -> Iterator[str]:
        """Repeated streams, even kernels, widths that the heads do not divide."""
        if len(set(self.streams)) < len(self.streams):
            yield "streams must not repeat an input"
        if self.mska_temporal_kernel % 2 == 0:
            yield f"mska_temporal_kernel must be odd, not {self.mska_temporal_kernel}"
        yield from multiple_of(
            self,
            ("projector_dim", "mska_heads"),
            ("d_model", "temporal_heads"),
            ("d_model", "decoder_heads"),
        )
