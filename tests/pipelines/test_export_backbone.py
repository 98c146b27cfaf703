"""A stream of a run as a file, and that file as the start of another run."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest
import torch

from slt_cli.builders.backbones import load_dinov2_backbone
from slt_cli.builders.states import load_mska_encoder_state
from slt_cli.errors import InputError, UsageError
from slt_cli.models.mska.encoder import MSKAEncoder, SgrOptions
from slt_cli.models.multistream import MultiStreamEncoder
from slt_cli.models.vit import VisionTransformer
from slt_cli.pipelines.export_backbone import plan_export_backbone, run_export_backbone
from slt_cli.pipelines.result import silent
from slt_cli.pipelines.run_settings import stored_settings
from slt_cli.settings.evaluate import ExportSettings
from slt_cli.settings.load import load_settings
from slt_cli.settings.root import Settings
from slt_cli.storage.checkpoint import load_checkpoint, save_checkpoint
from tests.cli.run_slt import json_object, slt

POINTS = {"body": 5, "face": 3, "hand_left": 4, "hand_right": 4}
VIT = {"image_size": 16, "patch_size": 8, "embed_dim": 8, "depth": 2, "num_heads": 2}


@dataclass
class Streams:
    mska: MSKAEncoder | None
    encoder: MultiStreamEncoder | None

    def state_dict(self) -> dict[str, torch.Tensor]:
        named = {"mska": self.mska, "encoder": self.encoder}
        return {
            f"{name}.{key}": tensor
            for name, module in named.items()
            if module is not None
            for key, tensor in module.state_dict().items()
        }


def streams(seed: int) -> Streams:
    torch.manual_seed(seed)
    mska = MSKAEncoder(
        num_points=POINTS, num_classes=3, width=16, blocks=2, stream_heads=2, sgr=SgrOptions()
    )
    crops = {part: VisionTransformer(**VIT) for part in ("face", "hand_left")}
    return Streams(mska, MultiStreamEncoder(backbones=crops, d_model=12))


def write_run(folder: Path, model: Streams) -> Path:
    encoder = model.encoder
    vits = {part: vit.config for part, vit in encoder.backbones.items()} if encoder else {}
    payload = {
        "kind": "translator", "model": model.state_dict(),
        "shape": {"num_points": POINTS, "backbones": vits},
        "settings": stored_settings(Settings()),
    }  # fmt: skip
    save_checkpoint(folder / "best.pt", payload)
    return folder


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_run(tmp_path_factory.mktemp("runs") / "first", streams(1))


def export(run: Path, stream: str, output: Path | None, *, overwrite: bool = False):
    return run_export_backbone(
        run, stream, ExportSettings(output=output, overwrite=overwrite), silent
    )


@pytest.mark.parametrize("stream", ["face", "hand_left", "hand_right", "body"])
def test_a_keypoint_stack_starts_that_of_another_run(
    run: Path, tmp_path: Path, stream: str
) -> None:
    path = tmp_path / "stack.pt"
    result = export(run, stream, path)
    part = stream.partition("_")[0]
    assert result.facts["use"] == f"--mska-{part}-state {path}"
    model, source = streams(2), streams(1)
    lines = load_mska_encoder_state(model, **{part: path})
    count = result.counts["tensors"]
    assert all(line.startswith(f"loaded {count} of {count} tensors") for line in lines)
    expected = source.mska.stacks[stream].state_dict()
    found = model.mska.stacks[stream].state_dict()
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name], tensor) for name, tensor in expected.items())
    assert result.facts["parameters"] == sum(t.numel() for t in expected.values())


def test_a_crop_backbone_starts_that_of_another_run_in_both_ways(run: Path, tmp_path: Path) -> None:
    path = tmp_path / "hand.pt"
    result = export(run, "crops_hand_left", path)
    assert result.facts["use"] == f"--hand-left-backbone file::{path}:custom"
    expected = streams(1).encoder.backbones["hand_left"].state_dict()
    named = load_dinov2_backbone(f"file::{path}:custom").state_dict()
    model = streams(2)
    load_mska_encoder_state(model, face=path)
    for found in (named, model.encoder.backbones["face"].state_dict()):
        assert found.keys() == expected.keys()
        assert all(torch.equal(found[name], tensor) for name, tensor in expected.items())


def test_the_file_says_what_it_holds_and_holds_no_more(run: Path, tmp_path: Path) -> None:
    export(run, "hand_right", tmp_path / "stack.pt")
    payload = load_checkpoint(tmp_path / "stack.pt")
    assert (payload["kind"], payload["stream"], payload["num_points"]) == ("mska", "hand_right", 4)
    assert payload["config"]["mska_width"] == Settings().model.mska_width
    export(run, "crops_face", tmp_path / "vit.pt")
    payload = load_checkpoint(tmp_path / "vit.pt")
    assert (payload["kind"], payload["model"], payload["vit"]["depth"]) == ("vit", "custom", 2)
    whole = (run / "best.pt").stat().st_size
    assert (tmp_path / "stack.pt").stat().st_size < whole / 2


def test_a_stream_that_is_not_there_is_answered_with_those_that_are(
    run: Path, tmp_path: Path
) -> None:
    for stream in ("crops_hand_right", "hands", "crops_body", ""):
        with pytest.raises(UsageError, match=f"no stream '{stream}'") as caught:
            export(run, stream, tmp_path / "x.pt")
        assert caught.value.hint == (
            "--stream, one of: body, face, hand_left, hand_right, crops_face, crops_hand_left"
        )
    assert list(tmp_path.iterdir()) == []


def test_a_run_with_crops_alone_names_its_backbones(tmp_path: Path) -> None:
    run = write_run(tmp_path / "crops", Streams(None, streams(1).encoder))
    with pytest.raises(UsageError) as caught:
        export(run, "face", None)
    assert caught.value.hint == "--stream, one of: crops_face, crops_hand_left"


def test_a_file_in_the_way_stays_unless_it_may_go(run: Path, tmp_path: Path) -> None:
    path = tmp_path / "mine.pt"
    path.write_text("mine")
    with pytest.raises(UsageError, match="exists"):
        export(run, "face", path)
    assert path.read_text() == "mine"
    with pytest.raises(UsageError, match="folder") as caught:
        export(run, "face", tmp_path)
    assert caught.value.hint == f"-o {tmp_path / 'first-face.pt'}"
    export(run, "face", path, overwrite=True)
    assert load_checkpoint(path)["kind"] == "mska"


def test_without_an_output_it_is_named_after_run_and_stream(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert export(run, "body", None).outputs == [Path("exports/first-body.pt")]
    assert (tmp_path / "exports" / "first-body.pt").is_file()


def test_another_kind_of_checkpoint_is_refused(tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "dino.pt", {"kind": "pretrain"})
    with pytest.raises(InputError, match="not a checkpoint of a translation run"):
        export(tmp_path / "dino.pt", "face", None)


def test_a_plan_tells_and_writes_nothing(run: Path, tmp_path: Path) -> None:
    loaded = load_settings(flags={"export.output": str(tmp_path / "x.pt")})
    plan = plan_export_backbone(run, "face", loaded)
    count = len(streams(1).mska.stacks["face"].state_dict())
    assert plan.facts["steps"] == [
        f"write {count} tensors of face in {run / 'best.pt'} to {tmp_path / 'x.pt'}"
    ]
    assert "no stream 'feet'" in plan_export_backbone(run, "feet", loaded).facts["missing"][0]
    assert list(tmp_path.iterdir()) == []


def test_the_command(run: Path, tmp_path: Path) -> None:
    command = ("export", "backbone", run, "--stream", "hand_left", "-o", "hand.pt")
    done = json_object(slt(*command, "--json", cwd=tmp_path))
    assert (done["status"], done["outputs"]) == ("ok", ["hand.pt"])
    assert done["facts"]["use"] == "--mska-hand-state hand.pt"
    assert slt(*command, cwd=tmp_path).returncode == 2  # it is there
