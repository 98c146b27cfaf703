"""`slt validate` as a user runs it: every kind of target, its verdict and exit code."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.cli.made import World
from tests.cli.run_slt import json_object, slt
from tests.corpora import write_corpus


def test_a_good_corpus(world: World) -> None:
    done = slt("validate", "corpus", cwd=world.root)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1].startswith("corpus: 8 clips, 4 train, 2 val, 2 test; 0 err")
    assert json_object(slt("validate", "--json", cwd=world.root))["counts"]["clips"] == 8


def test_what_is_wrong_is_named_and_the_exit_code_is_3(tmp_path: Path) -> None:
    corpus = write_corpus(tmp_path / "corpus", train=2, val=1, test=1)
    (corpus / "index" / "val.csv").write_text("video_id\nghost\n")
    done = slt("validate", "corpus", cwd=tmp_path)
    assert done.returncode == 3
    assert "error    S002  listed in a split, but there is no such clip" in done.stdout
    assert "val: ghost" in done.stdout
    value = json_object(slt("validate", "corpus", "--json", cwd=tmp_path))
    assert value["status"] == "failed"
    found = {finding["rule"]: finding for finding in value["facts"]["findings"]}
    assert found["S002"] == {
        "rule": "S002", "severity": "error", "count": 1, "examples": ["val: ghost"],
        "message": "listed in a split, but there is no such clip",
    }  # fmt: skip


def test_warnings_fail_when_asked(world: World) -> None:
    assert slt("validate", "clips", cwd=world.root).returncode == 0
    assert slt("validate", "clips", "--fail-on", "warning", cwd=world.root).returncode == 3


def test_a_table(world: World, tmp_path: Path) -> None:
    assert slt("validate", "corpus/meta.csv", cwd=world.root).returncode == 0
    (tmp_path / "meta.csv").write_text('video_id;texto\na;"hola\nb;chau\n')
    done = slt("validate", "meta.csv", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (3, "")
    assert "meta.csv:2" in done.stderr


def test_a_run(world: World, tmp_path: Path) -> None:
    done = slt("validate", "work_dirs/tiny-cpu", cwd=world.root)
    assert done.returncode == 0, done.stdout
    lines = [line.split()[:3] for line in done.stdout.splitlines()]
    assert lines[:2] == [
        ["ok", f"work_dirs/tiny-cpu/{name}.pt", "translator"] for name in ("best", "last")
    ]
    run = shutil.copytree(world.root / "work_dirs" / "tiny-cpu", tmp_path / "run")
    damage(run / "best.pt")
    done = slt("validate", "run", cwd=tmp_path)
    assert done.returncode == 3
    assert "error    R001  checkpoint cannot be read" in done.stdout
    assert "best.pt" in done.stdout


def test_a_damaged_checkpoint(world: World, tmp_path: Path) -> None:
    best = Path(shutil.copy(world.root / "work_dirs" / "tiny-cpu" / "best.pt", tmp_path))
    assert slt("validate", best).returncode == 0
    damage(best)
    done = slt("validate", best)
    assert (done.returncode, done.stdout) == (3, "")
    assert "best.pt" in done.stderr


def test_a_bundle(world: World, tmp_path: Path) -> None:
    bundle = shutil.copytree(world.root / world.export["outputs"][0], tmp_path / "bundle")
    assert "all as they were exported" in slt("validate", bundle).stdout
    damage(bundle / "encoder.onnx")
    done = slt("validate", bundle)
    assert (done.returncode, done.stdout) == (7, "")
    assert "encoder.onnx" in done.stderr


def test_a_settings_file(tmp_path: Path) -> None:
    good, bad = tmp_path / "good.yaml", tmp_path / "bad.yaml"
    good.write_text("optim:\n  lr: 1e-3\n")
    bad.write_text("optim:\n  lrr: 1e-3\n  epochs: x\ntrainin: {}\n")
    done = slt("validate", good)
    assert done.returncode == 0
    assert "optim.lr = 0.001" in done.stdout
    done = slt("validate", bad)
    assert (done.returncode, done.stdout) == (2, "")
    for words in ("3 problems", "optim.lrr", "bad.yaml:2", "did you mean optim.lr?", "trainin"):
        assert words in done.stderr


def test_metrics_against_a_reference(world: World, tmp_path: Path) -> None:
    run = world.root / "work_dirs" / "tiny-cpu"
    reference = tmp_path / "reference.json"
    record = json.loads((run / "metrics.jsonl").read_text().splitlines()[-1])
    reference.write_text(json.dumps({"val_loss": record["val_loss"] * 1.04}))
    same = slt("validate", "metrics", run, "--reference", run / "metrics.jsonl")
    assert same.returncode == 0, same.stderr
    assert slt("validate", "metrics", run, "--reference", reference).returncode == 0
    done = slt("validate", "metrics", run, "--reference", reference, "--tolerance", "0.01")
    assert done.returncode == 7
    assert "outside" in done.stdout
    done = slt("validate", "metrics", run)
    assert (done.returncode, done.stdout) == (2, "")
    assert "--reference FILE" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["absent"], "nothing to check there"),
        (["videos/a.mp4"], "neither a corpus nor a table"),
        (["corpus", "work_dirs/tiny-cpu"], "one thing at a time"),
        (["metrics"], "nothing to check there"),
        (["corpus", "--fix", "out.csv"], "--fix is for a table; this is a corpus"),
        (["work_dirs/tiny-cpu", "--html", "r.html"], "--html is for a corpus or a table"),
    ],
)
def test_what_cannot_be_checked(world: World, arguments: list[str], says: str) -> None:
    done = slt("validate", *arguments, cwd=world.root)
    assert (done.returncode, done.stdout) == (2, "")
    assert says in done.stderr
    assert "\n  next: slt " in done.stderr


def test_rules_are_listed_with_their_reasons() -> None:
    done = slt("validate", "--list-rules")
    lines = done.stdout.splitlines()
    assert lines == sorted(lines)
    assert len({line.split()[0] for line in lines}) == len(lines) > 50
    (line,) = [line for line in lines if line.startswith("C003 ")]
    assert "crops do not fit the keypoints" in line
    assert "no gaps" in line


def damage(path: Path) -> None:
    """Invert the middle of a file, more of it than the padding between members of a zip."""
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    for at in range(middle, middle + 256):
        data[at] ^= 0xFF
    path.write_bytes(data)
