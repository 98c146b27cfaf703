"""The pictures in the docs show what the modules do, and are those of today's modules."""

from __future__ import annotations

import sys
from itertools import combinations
from pathlib import Path
from xml.etree import ElementTree

import pytest
import torch
from torch import Tensor, nn

sys.path.append(str(Path(__file__).resolve().parent.parent / "examples"))

import draw_models
from drawing.fold import folded
from drawing.presets import sizes_table
from drawing.svg import CHARACTER, WIDEST, picture
from drawing.trace import Step, trace

from slt_cli.models.mska.stack import KeypointStreamEncoder

ROOT = Path(__file__).resolve().parent.parent
SVG = "{http://www.w3.org/2000/svg}"


class Residual(nn.Module):
    """Two maps of one input, joined, and the input added to them."""

    def __init__(self) -> None:
        super().__init__()
        self.left, self.right = nn.Linear(4, 3), nn.Linear(4, 1)
        self.shift = nn.Parameter(torch.zeros(4))

    def forward(self, x: Tensor, valid: Tensor) -> Tensor:
        """(N, 4) -> (N, 4)."""
        both = torch.cat([self.left(x), self.right(x)], dim=1)
        return torch.tanh(both + x + self.shift) * valid[:, None]


def residual_steps() -> list[Step]:
    module, x = Residual(), torch.rand(2, 4)
    return trace(
        lambda: {"y": module(x, torch.ones(2, dtype=torch.bool))}, module, inputs={"x": x},
        modules=["left", "right"],
    )  # fmt: skip


def stack_steps() -> list[Step]:
    """A narrow stack of eight blocks on eight frames of three points."""
    stack = KeypointStreamEncoder(num_points=3, width=16, heads=2).eval()
    points = torch.rand(1, 8, 3, 3)
    masks = torch.ones(1, 8, 3, dtype=torch.bool), torch.ones(1, 8, dtype=torch.bool)
    return trace(
        lambda: {"features": stack(points, *masks)[0]}, stack, inputs={"points": points},
        modules=["input_map", "blocks.*"],
    )  # fmt: skip


def test_a_trace_follows_tensors_through_the_operations_between_modules() -> None:
    x, shift, left, right, y = residual_steps()
    assert [x.kind, shift.kind, left.kind, y.kind] == ["input", "weight", "module", "result"]
    assert (left.reads, left.gives, left.parameters) == (((2, 4),), ((2, 3),), 15)
    assert (left.sources, right.sources) == (("x",), ("x",))
    assert set(y.sources) == {"left", "right", "x", "shift"}
    assert y.after == ("concat", "+", "tanh")


def test_a_stack_is_traced_in_order_with_its_widths_and_strides() -> None:
    steps = stack_steps()
    names = ["points", "input_map", *(f"blocks.{i}" for i in range(8)), "features"]
    assert [step.name for step in steps] == names
    frames, widths = [8, 4, 4, 4, 4, 2, 2, 2, 2], [4, 4, 4, 8, 8, 16, 16, 16, 16]
    shapes = [((1, 3, t, c),) for t, c in zip(frames, widths, strict=True)]
    assert [step.gives for step in steps[1:-1]] == shapes
    assert [step.sources for step in steps[1:]] == [(name,) for name in names[:-1]]
    assert steps[-1].gives == ((1, 2, 16),)
    assert "mean" in steps[-1].after


def test_like_layers_of_a_chain_are_folded() -> None:
    steps = folded(stack_steps())
    names = ["points", "input_map", *(f"blocks.{i}" for i in range(5)), "blocks", "features"]
    assert [step.name for step in steps] == names
    assert steps[-2].parameters == 3 * stack_steps()[7].parameters
    assert steps[-1].sources == ("blocks",)


@pytest.mark.parametrize("steps", [residual_steps(), stack_steps()], ids=["residual", "stack"])
def test_a_picture_names_every_step_in_boxes_that_do_not_meet(steps: list[Step]) -> None:
    root = ElementTree.fromstring(picture(steps, title="a <title>", note="", characters=20))
    groups = root.findall(f"{SVG}g")
    assert sorted(g.findtext(f"{SVG}title") for g in groups) == sorted(s.name for s in steps)
    assert float(root.get("width", "inf")) <= WIDEST
    boxes = [_box(group) for group in groups]
    for (left, top, right, bottom), group in zip(boxes, groups, strict=True):
        for text in group.findall(f"{SVG}text"):
            assert float(text.get("x", "")) + CHARACTER * len(text.text or "") <= right
            assert top < float(text.get("y", "")) < bottom
        assert left >= 0
    for one, other in combinations(boxes, 2):
        apart = one[2] < other[0] or other[2] < one[0] or one[3] < other[1] or other[3] < one[1]
        assert apart, (one, other)


def _box(group: ElementTree.Element) -> tuple[float, float, float, float]:
    rectangle = group.find(f"{SVG}rect")
    assert rectangle is not None
    x, y, width, height = (float(rectangle.get(name, "")) for name in ("x", "y", "width", "height"))
    return x, y, x + width, y + height


def test_a_picture_that_is_too_wide_is_refused() -> None:
    steps = [Step(f"input {i}", "input", "input", (), ((1,),)) for i in range(30)]
    with pytest.raises(ValueError, match="too wide"):
        picture(steps, title="many", note="", characters=20)


CHEAP = {"mska-block"}


@pytest.mark.parametrize(
    "name",
    [pytest.param(n, marks=[] if n in CHEAP else pytest.mark.slow) for n in draw_models.PICTURES],
)
def test_the_pictures_in_the_docs_are_those_of_the_modules(name: str) -> None:
    stored = (ROOT / "docs" / "pictures" / f"{name}.svg").read_text("utf-8")
    assert stored == draw_models.PICTURES[name](), "write it again: examples/draw_models.py"
    assert f"pictures/{name}.svg" in (ROOT / "docs" / "models.md").read_text("utf-8")


def test_the_sizes_of_the_presets_in_the_docs_are_those_of_the_modules() -> None:
    page = (ROOT / "docs" / "models.md").read_text("utf-8")
    assert sizes_table() in page, "write it again: examples/draw_models.py --sizes prints it"


def test_the_parts_of_a_block_have_all_its_parameters() -> None:
    root = ElementTree.fromstring(draw_models.mska_block())
    counts = [text.text or "" for text in root.iter(f"{SVG}text") if text.get("class") == "count"]
    parts = sum(int(count.split()[0].replace(",", "")) for count in counts)
    whole = draw_models.preset_model("mska-paper-mbart").get_submodule(
        "mska.stacks.hand_right.blocks.4"
    )
    assert parts == sum(parameter.numel() for parameter in whole.parameters())
