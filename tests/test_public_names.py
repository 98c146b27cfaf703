"""The names that users import from the package, and what importing it costs."""

from __future__ import annotations

import subprocess
import sys

import pytest

import slt_cli

NAMES = (
    "FuseConcatLinear", "KeypointStreamEncoder", "MSKAEncoder", "MultiStreamEncoder",
    "StreamProjector", "TextSeq2SeqDecoder", "ViTSmallPatch16", "load_dinov2_backbone",
    "load_mska_encoder_state", "replace_with_dinov2",
)  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_a_name_that_users_import_is_there(name: str) -> None:
    assert getattr(slt_cli, name).__name__ == name
    assert name in dir(slt_cli)


def test_the_package_offers_these_names_and_its_version() -> None:
    offered = {name for name in dir(slt_cli) if not name.startswith("_")}
    rooms = {name for name in offered if f"slt_cli.{name}" in sys.modules}
    assert offered - rooms - {"Any", "import_module"} == set(NAMES)
    assert slt_cli.__version__


def test_another_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="'slt_cli' has no attribute 'MskaEncoder'"):
        _ = slt_cli.MskaEncoder


def test_importing_the_package_loads_nothing_heavy() -> None:
    code = (
        "import sys, slt_cli; from slt_cli import __version__; dir(slt_cli); "
        "print(*{m.partition('.')[0] for m in sys.modules} & {'torch', 'numpy', 'transformers'}, "
        "sum(m.startswith('slt_cli') for m in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["1"]


def test_what_a_user_gets_is_usable_together() -> None:
    vit = slt_cli.ViTSmallPatch16(image_size=16, patch_size=8, embed_dim=8, depth=1, num_heads=2)
    encoder = slt_cli.MultiStreamEncoder(backbones={"face": vit})
    assert isinstance(encoder.projectors["face"], slt_cli.StreamProjector)
    assert isinstance(encoder.fusion, slt_cli.FuseConcatLinear)
