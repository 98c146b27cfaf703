"""What `slt validate --dry-run` says, for each kind of target."""

from __future__ import annotations

from pathlib import Path

import pytest

from slt_cli.errors import UsageError
from slt_cli.pipelines.validate import kind_of, plan_validate
from slt_cli.settings.load import load_settings


def plan(target: Path, subject: Path | None = None, **flags: object) -> list[str]:
    loaded = load_settings(flags={f"check.{name}": value for name, value in flags.items()})
    return plan_validate(target, loaded, subject).text.splitlines()


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    (tmp_path / "corpus" / "keypoints").mkdir(parents=True)
    return tmp_path / "corpus"


def test_a_plan_names_what_would_be_checked_and_written(corpus: Path) -> None:
    html = corpus.parent / "report.html"
    assert plan(corpus, html=html, make_splits=True) == [
        f"would check the corpus {corpus}",
        f"would write {html}",
        "would write index/train.csv, index/val.csv and index/test.csv",
    ]
    assert plan(Path("metrics"), corpus) == [f"would compare the metrics of {corpus}"]
    assert plan(corpus / "gone") == [f"missing: {corpus / 'gone'} (nothing there)"]
    assert list(corpus.parent.rglob("*.*")) == []


def test_a_plan_refuses_what_the_check_would_refuse(corpus: Path) -> None:
    with pytest.raises(UsageError, match="--fix is for a table; this is a corpus"):
        plan(corpus, fix=corpus / "out.csv")


@pytest.mark.parametrize(
    ("names", "kind"),
    [
        (("keypoints/", "config.json"), "corpus"),
        (("meta.csv",), "corpus"),
        ((), "corpus"),
        (("config.json",), "run"),
        (("last.pt",), "run"),
        (("manifest.json", "encoder.onnx"), "bundle"),
    ],
)
def test_a_folder_is_told_by_what_lies_in_it(
    tmp_path: Path, names: tuple[str, ...], kind: str
) -> None:
    for name in names:
        (tmp_path / name).mkdir() if name.endswith("/") else (tmp_path / name).touch()
    assert kind_of(tmp_path) == kind


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("meta.csv", "table"), ("META.TSV", "table"), ("video_map.txt", "table"),
        ("a.yaml", "settings file"), ("a.yml", "settings file"), ("a.toml", "settings file"),
        ("a.json", "settings file"), ("best.pt", "checkpoint"), ("best.pth", "checkpoint"),
    ],
)  # fmt: skip
def test_a_file_is_told_by_its_suffix(tmp_path: Path, name: str, kind: str) -> None:
    (tmp_path / name).touch()
    assert kind_of(tmp_path / name) == kind
