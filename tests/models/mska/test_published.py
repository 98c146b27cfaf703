from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch
from torch import Tensor

from slt_cli.models.mska.encoder import MSKAEncoder, SgrOptions
from slt_cli.models.mska.published import from_published, split_published, to_published
from tests.models.mska.reference import PUBLISHED_POINTS, reduced_network
from tests.parity import Record, check_equal, numbers


def meta_network(**options: object) -> MSKAEncoder:
    with torch.device("meta"):
        return MSKAEncoder(num_points=PUBLISHED_POINTS, num_classes=1094, **options)


def published_constants() -> dict[str, Tensor]:
    """Names of the tensors that the authors save although nothing trains them."""
    streams = ("left", "right", "face", "body")
    blocks = [
        f"visual_backbone_keypoint.{stream}_graph_layers.{block}.{name}"
        for stream in streams for block in range(8) for name in ("pes.pe", "atts")
    ]  # fmt: skip
    heads = [f"{head}_visual_head.pe.pe" for head in ("left", "right", "fuse", "body")]
    return dict.fromkeys(blocks + heads, torch.zeros(1))


@pytest.mark.real
def test_every_published_tensor_has_a_place_and_comes_back(
    real_data: Path, record_property: Record
) -> None:
    published = numbers(real_data, "mska_small_weights.npz")
    network = reduced_network(masked=True)
    network.load_state_dict(from_published(published, network.state_dict()))
    back = to_published(network.state_dict())
    counters = {name for name in back if name.endswith("num_batches_tracked")}
    check_equal(record_property, "MSKA published tensors placed", len(back.keys() - counters), 1008)
    assert back.keys() - counters == published.keys()
    for name, tensor in published.items():
        assert back[name].shape == tensor.shape, name
        assert torch.equal(back[name], tensor), name


def test_a_published_checkpoint_has_1216_tensors_of_recognition() -> None:
    network = meta_network()
    published = to_published(network.state_dict()) | published_constants()
    assert len(published) == 1216
    assert from_published(published, network.state_dict()).keys() == network.state_dict().keys()


def test_counters_may_be_absent() -> None:
    state = reduced_network(masked=True).state_dict()
    counters = {name for name in state if name.endswith("num_batches_tracked")}
    for name in counters:
        state[name] = torch.tensor(7)
    published = to_published({n: x for n, x in state.items() if n not in counters})
    assert {int(from_published(published, state)[name]) for name in counters} == {7}
    assert int(from_published(to_published(state), state)[counters.pop()]) == 7


def test_missing_unexpected_and_reshaped_tensors_are_named() -> None:
    network = meta_network()
    like, published = network.state_dict(), to_published(network.state_dict())
    head = "fuse_visual_head.gloss_output_layer"
    del published[f"{head}.bias"]
    published[f"{head}.weight"] = torch.empty(2004, 512, device="meta")
    published["fuse_visual_head.fc2.weight"] = torch.empty(1)
    expected = (
        f"missing: {head}.bias; unexpected: fuse_visual_head.fc2.weight; "
        f"other shapes: {head}.weight (2004, 512) for (1094, 512)"
    )
    with pytest.raises(ValueError, match=f"^{re.escape(expected)}$"):
        from_published(published, like)


def test_a_network_with_more_than_the_published_one_is_refused() -> None:
    network = meta_network(sgr=SgrOptions())
    with pytest.raises(ValueError, match=r"the published network has no stacks\.body\.sgr\.matrix"):
        from_published({}, network.state_dict())


def test_a_checkpoint_is_divided_by_network() -> None:
    one = torch.ones(1)
    parts = split_published(
        {
            "recognition_network.fuse_visual_head.fc1.bias": one,
            "vl_mapper.mapping.0.bias": one,
            "translation_network.model.model.shared.weight": one,
        }
    )
    assert list(parts.recognition) == ["fuse_visual_head.fc1.bias"]
    assert list(parts.mapper) == ["mapping.0.bias"]
    assert list(parts.translation) == ["model.shared.weight"]
    with pytest.raises(ValueError, match=r"not of a published MSKA network: encoder\.weight"):
        split_published({"encoder.weight": one})
