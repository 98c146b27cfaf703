from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from slt_cli.losses.ctc import gloss_ctc_loss
from slt_cli.losses.distillation import distillation_loss
from slt_cli.models.mska.encoder import HEAD_PARTS, MSKAEncoder, MSKAOutput, SgrOptions

POINTS = {"body": 9, "face": 4, "hand_left": 5, "hand_right": 5}
PUBLISHED_POINTS = {"body": 79, "face": 26, "hand_left": 27, "hand_right": 27}
Inputs = tuple[dict[str, Tensor], dict[str, Tensor], Tensor]


def small_encoder(**options: Any) -> MSKAEncoder:
    torch.manual_seed(0)
    defaults: dict[str, Any] = {
        "num_points": POINTS, "num_classes": 6, "width": 16, "blocks": 4, "stream_heads": 2,
        "ff_multiplier": 2, "dropout": 0.0,
    }  # fmt: skip
    return MSKAEncoder(**(defaults | options))


def random_inputs(lengths: list[int], parts: dict[str, int] = POINTS, seed: int = 0) -> Inputs:
    """Points of which a fifth is missing, in a batch padded to the longest clip."""
    generator = torch.Generator().manual_seed(seed)
    frame_valid = torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]
    points, valid = {}, {}
    for part, count in parts.items():
        shape = (len(lengths), max(lengths), count)
        valid[part] = (torch.rand(shape, generator=generator) > 0.2) & frame_valid[..., None]
        points[part] = torch.randn((*shape, 3), generator=generator) * valid[part][..., None]
    return points, valid, frame_valid


def losses(output: MSKAOutput) -> Tensor:
    """Every loss that reads the heads, in one number."""
    glosses = torch.tensor([[1, 2]]).expand(len(output.valid), 2)
    lengths = torch.full((len(output.valid),), 2)
    total = sum(gloss_ctc_loss(x, output.valid, glosses, lengths) for x in output.logits.values())
    if output.ensemble is not None:
        total = total + distillation_loss(output.logits, output.ensemble, output.valid)
    return total


def test_shapes_of_the_published_network() -> None:
    with torch.device("meta"):
        encoder = MSKAEncoder(num_points=PUBLISHED_POINTS, num_classes=1085, masked=False)
        points = {part: torch.empty(1, 64, v, 3) for part, v in PUBLISHED_POINTS.items()}
        valid = {p: torch.ones(1, 64, v, dtype=torch.bool) for p, v in PUBLISHED_POINTS.items()}
        frame_valid = torch.ones(1, 64, dtype=torch.bool)
        features, feature_valid = encoder._streams(points, valid, frame_valid)
    assert {part: tuple(x.shape) for part, x in features.items()} == dict.fromkeys(
        PUBLISHED_POINTS, (1, 16, 256)
    )
    assert feature_valid.shape == (1, 16)
    widths = {name: head.embed.in_features for name, head in encoder.heads.items()}
    assert widths == {"fuse": 1024, "left": 512, "right": 512, "body": 256}
    assert encoder.gloss_dim == 512


@pytest.mark.parametrize(("frames", "reduced"), [(1, 1), (4, 1), (5, 2), (16, 4), (18, 5)])
def test_every_head_speaks_at_a_quarter_of_the_frame_rate(frames: int, reduced: int) -> None:
    encoder = small_encoder().eval()
    output = encoder(*random_inputs([frames, 1]))
    assert output.gloss_feature.shape == (2, reduced, encoder.gloss_dim)
    assert {n: tuple(x.shape) for n, x in output.logits.items()} == dict.fromkeys(
        HEAD_PARTS, (2, reduced, 6)
    )
    assert output.valid.sum(1).tolist() == [reduced, 1]
    assert output.ensemble is not None
    torch.testing.assert_close(output.ensemble.exp().sum(-1), torch.ones(2, reduced))


@pytest.mark.parametrize("options", [{}, {"heads": 4}, {"sgr": SgrOptions()}, {"dilation": 2}])
def test_a_clip_says_the_same_alone_and_in_a_padded_batch(options: dict[str, Any]) -> None:
    encoder = small_encoder(**options).double().eval()
    points, valid, frame_valid = random_inputs([21, 13])
    padding = ~frame_valid[..., None, None]
    points = {p: x.double().masked_fill(padding, float("nan")) for p, x in points.items()}
    together = encoder(points, valid, frame_valid)
    cut = [{part: x[1:, :13] for part, x in tensors.items()} for tensors in (points, valid)]
    alone = encoder(*cut, frame_valid[1:, :13])
    for name in HEAD_PARTS:
        found = together.logits[name][1:, : alone.valid.shape[1]]
        torch.testing.assert_close(found, alone.logits[name], rtol=1e-10, atol=1e-10)
    found = together.gloss_feature[1:, : alone.valid.shape[1]]
    torch.testing.assert_close(found, alone.gloss_feature, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("training", [True, False])
def test_losses_and_gradients_do_not_depend_on_padding(training: bool) -> None:
    encoder = small_encoder(heads=4).double().train(training)
    points, valid, frame_valid = random_inputs([24, 16])
    points = {part: x.double() for part, x in points.items()}

    def outcome(more: int) -> tuple[Tensor, list[Tensor]]:
        """Loss and gradients with `more` padded frames of noise behind the batch."""
        longer = [
            {p: torch.cat([x, torch.full_like(x[:, :1], fill).expand(-1, more, *x.shape[2:])], 1)
             for p, x in tensors.items()}
            for tensors, fill in ((points, 5.0), (valid, True))
        ]  # fmt: skip
        ended = torch.nn.functional.pad(frame_valid, (0, more))
        loss = losses(encoder(*longer, ended))
        return loss, list(torch.autograd.grad(loss, list(encoder.parameters())))

    (loss, gradients), (other, others) = outcome(0), outcome(12)
    torch.testing.assert_close(loss, other, rtol=1e-10, atol=1e-10)
    for one, two in zip(gradients, others, strict=True):
        torch.testing.assert_close(one, two, rtol=1e-9, atol=1e-9)


def test_as_published_padding_leaks() -> None:
    encoder = small_encoder(masked=False).eval()
    points, valid, frame_valid = random_inputs([24, 16])
    clean = encoder(points, valid, frame_valid).logits["fuse"]
    points["face"][1, 16:] = 5.0
    assert not torch.allclose(
        encoder(points, valid, frame_valid).logits["fuse"][1, :4], clean[1, :4]
    )


@pytest.mark.parametrize("missing", ["one joint", "a frame", "a part", "the clip"])
def test_missing_points_are_not_read_and_leave_everything_finite(missing: str) -> None:
    encoder = small_encoder(heads=4, sgr=SgrOptions()).train()
    points, valid, frame_valid = random_inputs([16, 12])
    where = {"one joint": (1, 3, 2), "a frame": (1, 3), "a part": (1,), "the clip": (1,)}[missing]
    for part in POINTS if missing in {"a frame", "the clip"} else ["hand_left"]:
        valid[part][where] = False
    output = encoder(points, valid, frame_valid)
    values = [output.gloss_feature, *output.logits.values(), output.ensemble]
    assert all(bool(x.isfinite().all()) for x in values)
    losses(output).backward()
    assert all(bool(weight.grad.isfinite().all()) for weight in encoder.parameters())
    encoder.eval()
    expected = encoder(points, valid, frame_valid).gloss_feature
    for part in POINTS:
        points[part][~valid[part]] = float("nan")
    assert torch.equal(encoder(points, valid, frame_valid).gloss_feature, expected)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"masked": False},
        {"heads": 4},
        {"sgr": SgrOptions(activation="softmax", shared=True)},
        {"sgr": SgrOptions(activation="tanh", mix=0.3, shared=False)},
        {"dilation": 2, "kernel": 5},
        {"ff_multiplier": 1},
        {"input_dim": 2},
        {"blocks": 3},
        {"num_classes": 0},
        {"num_classes": 0, "heads": 4},
        {"num_points": {"body": 9}},
        {"num_points": {"hand_left": 5, "face": 4}},
        {"num_points": {"hand_left": 5, "hand_right": 5}},
    ],
    ids=str,
)
def test_gradient_reaches_every_parameter(options: dict[str, Any]) -> None:
    encoder = small_encoder(**options)
    output = encoder(*random_inputs([16, 12], options.get("num_points", POINTS)))
    total = output.gloss_feature.square().sum() + sum(
        x[..., 1].sum() for x in output.logits.values()
    )
    total.backward()
    without = [n for n, weight in encoder.named_parameters() if weight.grad is None]
    assert without == []
    assert all(bool(weight.grad.isfinite().all()) for weight in encoder.parameters())


@pytest.mark.parametrize(
    ("parts", "heads"),
    [
        (["body"], {"fuse": ["body"]}),
        (["hand_right"], {"fuse": ["hand_right"]}),
        (
            ["hand_left", "hand_right"],
            {
                "left": ["hand_left"],
                "right": ["hand_right"],
                "fuse": ["hand_left", "hand_right"],
            },
        ),
        (
            ["face", "body"],
            {"left": ["face"], "right": ["face"], "fuse": ["face", "body"], "body": ["body"]},
        ),
    ],
)
def test_heads_read_the_parts_that_are_there(parts: list[str], heads: dict[str, list[str]]) -> None:
    encoder = small_encoder(num_points={part: POINTS[part] for part in parts})
    assert encoder.head_parts == heads
    output = encoder(*random_inputs([8], {part: POINTS[part] for part in parts}))
    assert list(output.logits) == list(heads)
    assert (output.ensemble is None) == (len(heads) == 1)


def test_without_classes_only_the_fuse_feature_is_made() -> None:
    encoder = small_encoder(num_classes=0)
    output = encoder(*random_inputs([8]))
    assert list(encoder.heads) == ["fuse"]
    assert output.logits == {}
    assert output.ensemble is None
    assert output.gloss_feature.shape == (1, 2, encoder.gloss_dim)


def test_a_shared_matrix_is_one_parameter_for_the_largest_part() -> None:
    def matrices(shared: bool) -> list[tuple[int, ...]]:
        named = small_encoder(sgr=SgrOptions(shared=shared)).named_parameters()
        return [tuple(weight.shape) for name, weight in named if ".sgr." in name]

    assert matrices(shared=True) == [(9, 9)]
    assert sorted(matrices(shared=False)) == [(4, 4), (5, 5), (5, 5), (9, 9)]


def test_streams_attend_to_each_other_at_the_same_frame_only() -> None:
    encoder = small_encoder(heads=4).eval()
    _, valid, frame_valid = random_inputs([16, 16])
    valid["hand_right"][1] = False  # never seen in the second clip
    features = {part: torch.randn(2, 4, 16) for part in POINTS}
    before = encoder._mixed(dict(features), valid, frame_valid)
    features["hand_right"] = features["hand_right"].clone()
    features["hand_right"][:, 2] = torch.randn(2, 16)
    after = encoder._mixed(features, valid, frame_valid)
    changed = (after["face"] - before["face"]).abs().amax(-1) > 1e-6
    assert changed.tolist() == [[False, False, True, False], [False] * 4]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "shortest"),
    [({}, 1), ({"masked": False}, 5), ({"heads": 4, "sgr": SgrOptions(), "num_classes": 0}, 1)],
    ids=str,
)
def test_the_exported_graph_says_the_same_at_other_shapes(
    options: dict[str, Any], shortest: int
) -> None:
    import onnxruntime
    from torch.fx.experimental import _config as tracing

    class Graph(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.encoder = small_encoder(**{"blocks": 2} | options)

        def forward(self, points: Any, valid: Any, frame_valid: Tensor) -> tuple[Tensor, ...]:
            output = self.encoder(points, valid, frame_valid)
            return (output.gloss_feature, *output.logits.values(), output.valid)

    graph = Graph().eval()
    free = {0: torch.export.Dim("B", min=1), 1: torch.export.Dim("T", min=shortest)}
    with tracing.patch(backed_size_oblivious=True):
        program = torch.onnx.export(
            graph, random_inputs([9, 7]), dynamo=True, verbose=False,
            dynamic_shapes=(dict.fromkeys(POINTS, free), dict.fromkeys(POINTS, free), free),
        )  # fmt: skip
    session = onnxruntime.InferenceSession(program.model_proto.SerializeToString())
    names = [value.name for value in session.get_inputs()]
    for lengths in ([17, 17, 6], [shortest], [40]):
        points, valid, frame_valid = random_inputs(lengths, seed=1)
        tensors = [*points.values(), *valid.values(), frame_valid]
        feed = {name: x.numpy() for name, x in zip(names, tensors, strict=True)}
        with torch.no_grad():
            expected = graph(points, valid, frame_valid)
        for found, one in zip(session.run(None, feed), expected, strict=True):
            torch.testing.assert_close(torch.from_numpy(found), one, rtol=1e-4, atol=1e-5)
