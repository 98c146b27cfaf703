"""The reduced network of the reference numbers, and their inputs in the form that ours takes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import patch

import torch
from torch import Tensor

from slt_cli.models.mska.encoder import MSKAEncoder
from slt_cli.models.mska.head import GlossHead
from slt_cli.models.mska.published import from_published
from slt_cli.models.mska.stack import KeypointStreamEncoder
from tests.parity import numbers

PUBLISHED_POINTS = {"body": 79, "face": 26, "hand_left": 27, "hand_right": 27}
# Channels of the input and of each block; width of the heads; classes with the blank.
WIDTHS, HIDDEN, CLASSES = (16, 16, 16, 32, 32, 48, 48, 48, 48), 64, 20

# Activations whose input is within 2e-6 of zero (their mean size being 1) and fell on the other
# side of the kink of LeakyReLU in the published run, which was float32: there the slope is 0.1 in
# place of 1, or 1 in place of 0.1. A case has about 7 million activations. Part, activation of that
# part (the input map's, then three for each block), then clip, joint, frame, channel.
OTHER_SIDE = {
    "b1_t64": [],
    "b2_t64": [("face", 2, (0, 0, 58, 4)), ("body", 14, (0, 47, 24, 36))],
    "train_padded": [
        ("hand_left", 10, (1, 21, 20, 14)),
        ("hand_left", 13, (0, 6, 23, 42)),
        ("body", 24, (1, 76, 10, 0)),
    ],
}

# Points of COCO-WholeBody, in the order of the published configuration.
LEFT = [0, 1, 3, 5, 7, 9, *range(91, 112)]
RIGHT = [0, 2, 4, 6, 8, 10, *range(112, 133)]
FACE = [
    23, 26, 29, 33, 36, 39, 41, 43, 46, 48, 53, 56, 59, 62, 65, 68, *range(71, 78), 79, 80, 81,
]  # fmt: skip
JOINTS = {
    "body": LEFT + RIGHT[1:] + FACE, "face": FACE, "hand_left": LEFT, "hand_right": RIGHT,
}  # fmt: skip


def reduced_network(*, masked: bool) -> MSKAEncoder:
    """The reduced network with random weights and without dropout.

    Its channels and the width of its heads follow no rule, so both are put in by hand.
    """
    width = WIDTHS[-1]
    network = MSKAEncoder(
        num_points=PUBLISHED_POINTS, num_classes=CLASSES, width=width, blocks=2, masked=masked
    )
    for part, count in PUBLISHED_POINTS.items():
        network.stacks[part] = KeypointStreamEncoder(
            num_points=count, width=WIDTHS, dropout=0.0, masked=masked
        )
    for name, parts in network.head_parts.items():
        network.heads[name] = GlossHead(
            in_dim=width * len(parts), width=HIDDEN, num_classes=CLASSES, ff_multiplier=2,
            dropout=0.0, masked=masked,
        )  # fmt: skip
    return network


def reference_network(real_data: Path, *, masked: bool) -> MSKAEncoder:
    """The reduced network with the weights of the published code; without dropout."""
    network = reduced_network(masked=masked)
    published = numbers(real_data, "mska_small_weights.npz")
    network.load_state_dict(from_published(published, network.state_dict()))
    return network.eval()


def inputs(
    keypoint: Tensor, output_lengths: Tensor
) -> tuple[dict[str, Tensor], dict[str, Tensor], Tensor]:
    """Published keypoints (B, 3, T, 133) as part -> (B, T, V, 3), with their masks."""
    frame_valid = torch.arange(keypoint.shape[2]) < 4 * output_lengths[:, None]
    points = {part: keypoint[..., joints].permute(0, 2, 3, 1) for part, joints in JOINTS.items()}
    valid = {part: frame_valid[..., None].expand(x.shape[:3]) for part, x in points.items()}
    return points, valid, frame_valid


@contextmanager
def on_the_published_side_of_the_kink(network: MSKAEncoder, case: str) -> Iterator[None]:
    """While it lasts, activations listed in `OTHER_SIDE` have the slope of the published run.

    Their values do not change noticeably, gradients of everything before them do.
    """
    activation = {"part": "", "number": 0}

    def leaky_relu(x: Tensor, slope: float) -> Tensor:
        above = x.detach() > 0
        for part, number, index in OTHER_SIDE[case]:
            if (part, number) == (activation["part"], activation["number"]):
                assert x[index].abs() < 2e-6 * x.abs().mean()
                above[index] = ~above[index]
        activation["number"] += 1
        return torch.where(above, x, slope * x)

    hooks = [
        stack.register_forward_pre_hook(
            lambda *_, part=part: activation.update(part=part, number=0)
        )
        for part, stack in network.stacks.items()
    ]
    with patch("torch.nn.functional.leaky_relu_", leaky_relu):
        yield
    for hook in hooks:
        hook.remove()
