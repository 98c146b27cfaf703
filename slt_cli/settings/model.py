"""The shape of the translation model."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from slt_cli.settings.base import Section, multiple_of, setting

TokenId = Annotated[int, Field(ge=0, lt=10**6)]
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
    pose_projector_dim: int | None = setting(
        None, "width of the pose after its projector; projector_dim when not given", ge=8, le=4096
    )
    mska_mode: Literal["masked", "reference"] = setting(
        "masked",
        "masked: padding and missing points change nothing; reference: as published",
    )
    mska_width: int = setting(
        256, "channels of the last blocks of a keypoint stream; the first have a quarter",
        ge=8, le=2048, multiple_of=8,
    )  # fmt: skip
    mska_temporal_blocks: int = setting(
        8, "attention and convolution blocks in each keypoint stream", ge=2, le=32
    )
    mska_temporal_kernel: int = setting(
        3, "frames seen by a temporal convolution; the first block sees twice as many and one",
        ge=1, le=31,
    )  # fmt: skip
    mska_temporal_dilation: int = setting(
        1, "distance in frames between the taps of a temporal convolution", ge=1, le=16
    )
    mska_stream_heads: int = setting(
        6, "heads of the attention between the points of a stream", ge=1, le=64
    )
    mska_heads: int = setting(
        0, "heads of the attention between the keypoint streams at each frame; 0: none", ge=0, le=64
    )
    mska_ff_multiplier: int = setting(
        4, "widening of the feed-forward parts of the gloss heads and between streams", ge=1, le=16
    )
    mska_dropout: float = setting(
        0.1, "dropout in the keypoint streams and gloss heads", ge=0, lt=1
    )
    leaky_relu_negative_slope: float = setting(
        0.1, "slope of LeakyReLU below zero in the keypoint streams and the gloss MLP", ge=0, lt=1
    )
    mska_input_dim: int = setting(
        3, "values per keypoint: 2 for x and y, 3 with the confidence", ge=2, le=3
    )
    mska_ctc_vocab: int | None = setting(
        None, "classes of the gloss heads with the blank; as many as needed when not given",
        ge=2, le=250_000,
    )  # fmt: skip
    mska_use_sgr: bool = setting(
        False, "mix a learned matrix over all points into the attention of every keypoint stream"
    )
    mska_sgr_activation: Literal["softmax", "sigmoid", "tanh", "relu", "identity"] = setting(
        "softmax", "what the learned matrix goes through before its rows are normalised"
    )
    mska_sgr_mix: float = setting(
        0.5, "share of the learned matrix: 0 is attention alone, 1 the matrix alone", ge=0, le=1
    )
    mska_sgr_shared: bool = setting(True, "one learned matrix for all streams, not one for each")
    mska_face_state: Path | None = setting(
        None, "file whose weights the face stream starts from; slt pretrain and slt export write it"
    )
    mska_hand_state: Path | None = setting(None, "file whose weights both hand streams start from")
    mska_body_state: Path | None = setting(None, "file whose weights the body stream starts from")
    mska_translation_weight: float = setting(1.0, "weight of the translation loss", ge=0, le=1e3)
    mska_ctc_weight: float = setting(
        1.0, "weight of the gloss CTC loss, used where glosses exist", ge=0, le=1e3
    )
    mska_distillation_weight: float = setting(
        1.0, "weight of the distillation from all gloss heads together to each one", ge=0, le=1e3
    )
    mska_distillation_temperature: float = setting(
        1.0, "temperature of that distillation", gt=0, le=100
    )
    mska_detach_teacher: bool = setting(
        True, "keep the gradient of the distillation away from its teacher"
    )
    mska_gloss_mapper: Literal["features", "probabilities"] = setting(
        "features", "what is mapped for the decoder: gloss features, or gloss probabilities"
    )
    mska_gloss_hidden_dim: int | None = setting(
        None, "hidden width of the gloss MLP; d_model when not given", ge=1, le=8192
    )
    mska_gloss_second_hidden_dim: int | None = setting(
        None, "width of a second hidden layer of the gloss MLP; none when not given", ge=1, le=8192
    )
    mska_gloss_activation: Literal["leaky_relu", "relu", "gelu", "tanh"] = setting(
        "leaky_relu", "activation of the gloss MLP"
    )
    mska_gloss_dropout: float = setting(
        0.0, "dropout after the hidden layers of the gloss MLP", ge=0, lt=1
    )
    mska_gloss_fusion: Literal["add", "concat", "none"] = setting(
        "add", "how the decoder reads keypoints beside crops: added, after them, or not at all"
    )
    temporal_layers: int = setting(2, "layers of the temporal transformer", ge=0, le=48)
    temporal_heads: int = setting(4, "heads of the temporal transformer", ge=1, le=64)
    temporal_dropout: float = setting(0.1, "dropout of the temporal transformer", ge=0, lt=1)
    decoder_model: str = setting(
        "mbart",
        "text decoder: mbart or t5 of the size below, mbart-large or t5-base as published, "
        "or the name or folder of a pretrained model",
        min_length=1,
    )
    decoder_config: Path | None = setting(
        None, "Hugging Face config.json of a text decoder with random weights"
    )
    decoder_search_path: list[Path] = setting(
        [], "folders in which pretrained decoders and tokenizers are looked for by name"
    )
    decoder_local_files_only: bool = setting(
        True, "look for the decoder on this machine only; off also needs --allow-download"
    )
    decoder_revision: str | None = setting(
        None, "revision of a decoder that is downloaded", min_length=1
    )
    decoder_class: str | None = setting(
        None, "text decoder of your own, package.module:Class",
        pattern=r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$",
    )  # fmt: skip
    decoder_kwargs: dict[str, Any] = setting({}, "keyword arguments of decoder_class, as JSON")
    decoder_encoder_layers: int = setting(
        0, "layers of the text model's own encoder, between features and decoder", ge=0, le=48
    )
    decoder_source_code: str | None = setting(
        None, "language code appended to the features, such as de_DE"
    )
    decoder_target_code: str | None = setting(
        None, "language code that starts every output, such as de_DE"
    )
    decoder_prompt_length: int = setting(
        0, "learned vectors put before the encoder's output", ge=0, le=1024
    )
    decoder_prompt_init: Literal["normal", "zero", "uniform", "tokens", "vocab"] = setting(
        "normal", "start of the learned vectors"
    )
    decoder_prompt_text: str | None = setting(
        None, "text whose embeddings the learned vectors start from"
    )
    decoder_prompt_tokens: list[TokenId] | None = setting(
        None, "token ids whose embeddings the learned vectors start from"
    )
    decoder_prompt_std: float = setting(
        0.02, "standard deviation of the start `normal`", ge=0, le=10
    )
    decoder_prompt_range: float = setting(0.02, "half width of the start `uniform`", ge=0, le=10)
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
        if self.decoder_prompt_init == "tokens" and not (
            self.decoder_prompt_text or self.decoder_prompt_tokens
        ):
            yield "decoder_prompt_init tokens needs decoder_prompt_text or decoder_prompt_tokens"
        if self.mska_heads and self.mska_width % self.mska_heads:
            yield (
                f"mska_width ({self.mska_width}) must be a multiple of "
                f"mska_heads ({self.mska_heads})"
            )
        yield from multiple_of(
            self,
            ("d_model", "temporal_heads"),
            ("d_model", "decoder_heads"),
        )
