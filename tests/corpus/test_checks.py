"""Every rule of `slt validate`: silent on a good corpus, and named when it is broken."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from slt_cli.corpus.checks import Corpus, check_corpus
from slt_cli.corpus.clip_files import (
    ClipKeypoints,
    load_clip_keypoints,
    save_clip_keypoints,
    save_pose,
)
from slt_cli.corpus.paths import CROP_STREAMS, CorpusPaths
from slt_cli.corpus.rules.finding import Finding
from tests.corpora import write_corpus

FRAMES = 6
FIRST = "train_000"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A corpus of five clips with crops and poses, each sentence in one split only."""
    root = write_corpus(tmp_path / "corpus", train=3, val=1, test=1, frames=FRAMES)
    ids = [f"train_{i:03d}" for i in range(3)] + ["val_000", "test_000"]
    write_lines(root / "meta.csv", "video_id;texto", *(f"{i};texto de {i}" for i in ids))
    write_lines(root / "annotations" / "gloss.csv", "video_id;gloss", *(f"{i};A B" for i in ids))
    paths = CorpusPaths.from_root(root)
    for video_id in ids:
        save_pose(paths.pose(video_id), np.zeros((FRAMES, 51), np.float32))
        for stream in CROP_STREAMS:
            for frame in range(FRAMES):
                path = paths.crop_path(stream, video_id, frame)
                path.parent.mkdir(exist_ok=True)
                path.touch()
    return root


def write_lines(path: Path, *lines: str) -> None:
    path.write_text("\n".join(lines) + "\n", "utf-8")


def findings(root: Path) -> dict[str, Finding]:
    found = check_corpus(Corpus(CorpusPaths.from_root(root), lambda event, **facts: None))
    assert len({finding.rule for finding in found}) == len(found)
    return {finding.rule: finding for finding in found}


def change(root: Path, edit: Callable[[ClipKeypoints], ClipKeypoints]) -> None:
    path = root / "keypoints" / f"{FIRST}.npz"
    save_clip_keypoints(path, edit(load_clip_keypoints(path)))


def without_hands(clip: ClipKeypoints) -> ClipKeypoints:
    from slt_cli.landmarks.layouts import get_layout

    valid = clip.valid.copy()
    for stream in ("hand_left", "hand_right"):
        valid[:, list(get_layout(clip.layout).streams[stream])] = False
    return replace(clip, valid=valid)


def append_line(root: Path, name: str, line: str) -> None:
    with (root / name).open("a", encoding="utf-8") as handle:
        handle.write(line + "\n")


def remove_keypoints(root: Path) -> None:
    for path in (root / "keypoints").iterdir():
        path.unlink()


BREAKAGES: dict[str, tuple[Callable[[Path], object], str, str]] = {
    "C000": (remove_keypoints, "error", "keypoints"),
    "C001": (lambda root: (root / "keypoints" / f"{FIRST}.npz").write_bytes(b"PK"), "error", FIRST),
    "C002": (
        lambda root: save_pose(root / "pose" / f"{FIRST}.npz", np.zeros((4, 51), np.float32)),
        "error", f"{FIRST}: 4 pose frames for 6",
    ),
    "C003": (
        lambda root: (root / "hand_l" / f"{FIRST}_f000002.jpg").unlink(),
        "error", f"{FIRST}: hand_l: 5 crops for 6",
    ),
    "C004": (
        lambda root: np.save(root / "keypoints" / "more.npy", np.zeros((6, 133, 3), np.float32)),
        "error", "more: coco_wholebody_133, the others mediapipe_holistic_543",
    ),
    "C005": (
        lambda root: change(root, lambda clip: replace(clip, time_s=clip.time_s[::-1].copy())),
        "error", FIRST,
    ),
    "C006": (
        lambda root: np.save(root / "keypoints" / "none.npy", np.zeros((0, 543, 3), np.float32)),
        "error", "none",
    ),
    "C007": (
        lambda root: change(root, lambda clip: replace(
            clip, estimator={"name": "other", "version": "1", "settings": {}})),
        "warning", f"{FIRST}: other, the others made",
    ),
    "C008": (lambda root: change(root, without_hands), "warning", f"{FIRST}: hands in 0%"),
    "C009": (
        lambda root: append_line(
            root, "metadata.jsonl", json.dumps({"video_id": FIRST, "status": "damaged"})),
        "warning", FIRST,
    ),
    "A001": (
        lambda root: append_line(root, "meta.csv", f"{FIRST};otra vez"),
        "error", f"{FIRST} appears twice",
    ),
    "A002": (lambda root: (root / "meta.csv").unlink(), "warning", "meta.csv"),
    "A003": (
        lambda root: write_lines(
            root / "meta.csv", "video_id;texto", "train_001;b", "train_002;c", "val_000;d",
            "test_000;e"),
        "warning", FIRST,
    ),
    "A004": (lambda root: append_line(root, "meta.csv", "ghost;boo"), "warning", "ghost"),
    "G001": (
        # Six glosses in six frames, but equal neighbours need a blank between them: seven.
        lambda root: write_lines(
            root / "annotations" / "gloss.csv", "video_id;gloss", f"{FIRST};A A B C D E"),
        "error", f"{FIRST}: 6 frames for 6 glosses",
    ),
    "G002": (
        lambda root: write_lines(
            root / "annotations" / "gloss.csv", "video_id;gloss", f"{FIRST};A", "val_000;NEW"),
        "warning", "val val_000: NEW",
    ),
    "S001": (lambda root: (root / "index" / "val.csv").unlink(), "warning", "val"),
    "S002": (lambda root: append_line(root, "index/val.csv", "ghost"), "error", "val: ghost"),
    "S003": (
        lambda root: append_line(root, "index/test.csv", "val_000"),
        "error", "val_000: val, test",
    ),
    "S004": (
        lambda root: write_lines(
            root / "meta.csv", "video_id;texto", f"{FIRST};Hola", "val_000;hola", "train_001;b",
            "train_002;c", "test_000;e"),
        "warning", "hola",
    ),
}  # fmt: skip


def test_a_good_corpus_has_no_findings(root: Path) -> None:
    assert findings(root) == {}


@pytest.mark.parametrize("rule", BREAKAGES)
def test_what_breaks_a_rule_is_found_and_named(root: Path, rule: str) -> None:
    breakage, severity, place = BREAKAGES[rule]
    breakage(root)
    finding = findings(root)[rule]
    assert finding.severity == severity
    assert len(finding.where) == 1
    assert place in finding.where[0]


@pytest.mark.parametrize("rule", sorted(BREAKAGES.keys() - {"C000", "C006", "A002", "C004"}))
def test_one_breakage_breaks_one_rule(root: Path, rule: str) -> None:
    BREAKAGES[rule][0](root)
    # A clip that cannot be read or a table that is refused has no more to say.
    followers = {"A001": {"A003"}}.get(rule, set())
    assert findings(root).keys() - followers == {rule}


def test_every_rule_is_broken_by_some_test() -> None:
    import re

    import slt_cli.corpus.checks as checks

    source = Path(checks.__file__).read_text("utf-8")
    assert set(re.findall(r'"([A-Z]\d{3})"', source)) == BREAKAGES.keys()


def test_errors_come_first(root: Path) -> None:
    (root / "index" / "train.csv").unlink()
    (root / "keypoints" / "val_000.npz").unlink()
    found = check_corpus(Corpus(CorpusPaths.from_root(root), lambda event, **facts: None))
    severities = [finding.severity for finding in found]
    assert severities == sorted(severities)  # "error" sorts before "warning"
    assert {"error", "warning"} == set(severities)


def test_examples_are_cut_and_the_count_is_not() -> None:
    finding = Finding("C001", "error", "unreadable", ["a", "b", "c"])
    assert finding.as_dict(2)["examples"] == ["a", "b"]
    assert finding.as_dict(2)["count"] == 3


def test_an_exactly_long_enough_clip_is_not_too_short(root: Path) -> None:
    write_lines(root / "annotations" / "gloss.csv", "video_id;gloss", f"{FIRST};A A B C D")
    assert "G001" not in findings(root)
