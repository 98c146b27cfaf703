"""Names of the published MSKA weights, and ours for the same tensors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

# Ours -> theirs; `pes`, `pe` and `atts` of theirs are constants, which ours computes.
_STREAMS = {"hand_left": "left", "hand_right": "right", "face": "face", "body": "body"}
_BLOCK = {
    "alpha": "alphas", "global_map": "attention0s", "qk": "in_nets", "out": "out_nets",
    "ff": "ff_nets", "temporal": "out_nett", "out_residual": "downs1", "ff_residual": "downs2",
    "temporal_residual": "downt2",
}  # fmt: skip
_STEP = {"linear": 0, "conv": 0, "norm": 1}
_HEAD = {
    "embed": "fc1", "embed_norm": "bn1.norm", "ff_norm": "feedforward.layer_norm",
    "widen": "feedforward.pwff_layer.0", "narrow": "feedforward.pwff_layer.3",
    "norm": "layer_norm", "classify": "gloss_output_layer",
}  # fmt: skip
_CONSTANTS = (".pes.pe", ".pe.pe", ".atts")
_COUNTER = "num_batches_tracked"  # counts steps; nothing reads it


@dataclass(frozen=True)
class PublishedParts:
    """A published checkpoint by network, names still theirs but without the network's own.

    `recognition` belongs into an `MSKAEncoder`, `mapper` into a `GlossMLP` or `GlossEmbedding`,
    `translation` into the Hugging Face mBART of the decoder.
    """

    recognition: dict[str, Tensor]
    mapper: dict[str, Tensor]
    translation: dict[str, Tensor]


def split_published(state: Mapping[str, Tensor]) -> PublishedParts:
    """Divide the `model` entry of the authors' `best.pth` by network.

    Raises `ValueError` with the names that belong to none.
    """
    prefixes = ("recognition_network.", "vl_mapper.", "translation_network.model.")
    parts = [
        {name.removeprefix(p): tensor for name, tensor in state.items() if name.startswith(p)}
        for p in prefixes
    ]
    unknown = [name for name in state if not name.startswith(prefixes)]
    if unknown:
        raise ValueError(f"not of a published MSKA network: {_some(unknown)}")
    return PublishedParts(*parts)


def from_published(
    published: Mapping[str, Tensor], like: Mapping[str, Tensor]
) -> dict[str, Tensor]:
    """A state dict with the names and shapes of `like`, filled with published weights.

    Args:
        published: `PublishedParts.recognition` or `.mapper`. Constants are not used; counters of
            batches may be absent.
        like: the state dict of the module to fill: an `MSKAEncoder` or a mapper.

    Raises `ValueError` naming every tensor that is missing, left over or of another shape.
    """
    names = {ours: published_name(ours) for ours in like}
    found = {ours: published.get(theirs) for ours, theirs in names.items()}
    absent = {name for name, tensor in found.items() if tensor is None}
    missing = [names[name] for name in absent if not name.endswith(_COUNTER)]
    left_over = [name for name in set(published) - set(names.values())
                 if not name.endswith(_CONSTANTS)]  # fmt: skip
    unlike = [
        f"{names[name]} {tuple(tensor.shape)} for {tuple(like[name].shape)}"
        for name, tensor in found.items()
        if tensor is not None and _squeezed(tensor) != _squeezed(like[name])
    ]
    problems = {"missing": missing, "unexpected": left_over, "other shapes": unlike}
    if any(problems.values()):
        raise ValueError("; ".join(f"{k}: {_some(v)}" for k, v in problems.items() if v))
    return {
        name: like[name] if tensor is None else tensor.reshape(like[name].shape)
        for name, tensor in found.items()
    }


def to_published(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The other way: published names and shapes, without the constants."""
    return {published_name(name): _published_shape(name, x) for name, x in state.items()}


def published_name(name: str) -> str:
    """What the authors call a tensor of an `MSKAEncoder` or of a mapper.

    Raises `ValueError` for a tensor that the published network does not have.
    """
    network = "visual_backbone_keypoint"
    match name.split("."):
        case ["stacks", part, "input_map", step, leaf]:
            return f"{network}.{_STREAMS[part]}_input_map.{_STEP[step]}.{leaf}"
        case ["stacks", part, "blocks", block, module, *rest] if module in _BLOCK:
            inner = [str(_STEP.get(step, step)) for step in rest]
            layer = f"{network}.{_STREAMS[part]}_graph_layers.{block}"
            return ".".join([layer, _BLOCK[module], *inner])
        case ["heads", head, module, leaf]:
            return f"{head}_visual_head.{_HEAD[module]}.{leaf}"
        case ["hidden", "0", leaf]:
            return f"mapping.0.{leaf}"
        case ["out", leaf]:
            return f"mapping.2.{leaf}"
        case ["weight"]:
            return "mapping.weight"
    raise ValueError(f"the published network has no {name}")


def _published_shape(name: str, tensor: Tensor) -> Tensor:
    """Linear maps of theirs are 1x1 convolutions, their frames come before their joints."""
    if not name.startswith("stacks."):
        return tensor
    if name.endswith((".alpha", ".global_map")):
        return tensor[None]
    if name.endswith(".conv.weight"):
        return tensor.transpose(2, 3)
    return tensor[..., None, None] if tensor.ndim == 2 else tensor


def _squeezed(tensor: Tensor) -> list[int]:
    return [size for size in tensor.shape if size != 1]


def _some(names: list[str]) -> str:
    """At most eight names, and how many more there are."""
    more = f" and {len(names) - 8} more" if len(names) > 8 else ""
    return ", ".join(sorted(names)[:8]) + more
