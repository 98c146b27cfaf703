"""A whole checkpoint under the authors' names, made from a small model of ours, loads back."""

from __future__ import annotations

import pytest
import torch

from slt_cli.builders.published import is_published_mska, load_published_mska
from slt_cli.errors import InputError
from slt_cli.models.mska.published import to_published
from slt_cli.models.translator import SltModel
from tests.models.small import small_model


def published(model: SltModel) -> dict[str, torch.Tensor]:
    state = {
        f"recognition_network.{n}": t for n, t in to_published(model.mska.state_dict()).items()
    }
    state |= {f"vl_mapper.{n}": t for n, t in to_published(model.mapper.state_dict()).items()}
    translation = model.decoder.model.state_dict()
    return state | {f"translation_network.model.{n}": t for n, t in translation.items()}


def test_a_published_checkpoint_is_told_from_ours() -> None:
    model = small_model()
    assert is_published_mska({"model": published(model), "epoch": 3})
    assert not is_published_mska({"model": model.state_dict()})
    assert not is_published_mska({})


def test_every_tensor_of_a_published_checkpoint_arrives() -> None:
    source, target = small_model(seed=1), small_model(seed=2)
    lines = load_published_mska(target, published(source), "best.pth")
    for name, tensor in source.state_dict().items():
        if not name.endswith("num_batches_tracked"):
            torch.testing.assert_close(target.state_dict()[name], tensor, rtol=0, atol=0)
    assert [line.split(" of the ")[1] for line in lines] == [
        "published recognition network", "published mapper", "published translation network",
    ]  # fmt: skip


def test_sign_to_gloss_weights_leave_the_translation_alone() -> None:
    source, target = small_model(seed=1), small_model(seed=2)
    before = {n: t.clone() for n, t in target.decoder.state_dict().items()}
    state = {n: t for n, t in published(source).items() if n.startswith("recognition")}
    assert len(load_published_mska(target, state, "best.pth")) == 1
    for name, tensor in target.decoder.state_dict().items():
        torch.testing.assert_close(tensor, before[name], rtol=0, atol=0)


def test_another_vocabulary_is_refused_by_name() -> None:
    with pytest.raises(InputError, match="gloss_output_layer"):
        load_published_mska(small_model(num_glosses=9), published(small_model()), "best.pth")


def test_a_model_without_keypoints_is_told_to_read_them() -> None:
    with pytest.raises(InputError, match="keypoint network"):
        load_published_mska(
            small_model(keypoints=False, pose=True), published(small_model()), "best.pth"
        )
