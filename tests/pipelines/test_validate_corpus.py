"""Checking a corpus folder: verdict, splits, the rules of its table, and the page."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from slt_cli.corpus.tables import read_index
from slt_cli.errors import InputError, UsageError
from slt_cli.pipelines.result import Result
from slt_cli.pipelines.validate import run_validate
from slt_cli.settings.load import load_settings
from tests.corpus.rules.made import FIRST, IDS, edit_clip, picture, write_good_corpus, write_lines


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_good_corpus(tmp_path / "corpus")


def check(root: Path, **flags: object) -> Result:
    settings = load_settings(flags={f"check.{name}": value for name, value in flags.items()})
    events: list[tuple[int, int]] = []
    result = run_validate(
        root, settings.settings, lambda event, done, total: events.append((done, total))
    )
    clips = result.counts["clips"]
    assert events == [(done, clips) for done in range(1, clips + 1)]
    return result


def found(result: Result) -> dict[str, int]:
    return {finding["rule"]: finding["count"] for finding in result.facts["findings"]}


def test_a_good_corpus_passes_even_when_warnings_count(root: Path) -> None:
    result = check(root, fail_on="warning")
    assert (result.exit_code, result.status, found(result)) == (0, "ok", {})
    assert result.counts == {"clips": 5, "errors": 0, "warnings": 0}
    assert result.facts["splits"] == {"train": 3, "val": 1, "test": 1}


def test_findings_are_a_table_with_errors_first_and_first_examples(root: Path) -> None:
    for name in IDS[:3]:
        (root / "face" / f"{name}_f000001.jpg").unlink()
    write_lines(root / "index" / "test.csv", "test_000", "ghost")
    (root / "pose" / "left.txt").touch()
    result = check(root, examples=2)
    assert result.exit_code == 3
    assert result.text.splitlines() == [
        "error    C003  crops do not fit the keypoints                     3",
        "               train_000: face: 5 crops for 6 frames, missing 1",
        "               train_001: face: 5 crops for 6 frames, missing 1",
        "               ... and 1 more",
        "error    S002  listed in a split, but there is no such clip       1",
        "               test: ghost",
        "warning  C023  file that belongs to no clip                       1",
        f"               {root / 'pose' / 'left.txt'}",
        f"{root}: 5 clips, 3 train, 1 val, 2 test; 2 errors, 1 warning of "
        f"{result.facts['rules']} rules",
    ]
    json.dumps(result.as_dict(), allow_nan=False)


def test_the_rules_of_tables_apply_to_meta_csv(root: Path) -> None:
    texts = [f"{video_id};texto de {video_id}" for video_id in IDS]
    texts[0] = f"{FIRST};hola\x07"
    write_lines(root / "meta.csv", "video_id;texto", *texts)
    assert found(check(root)) == {"A013": 1}


def test_a_repeated_id_is_found_by_the_corpus_and_located_by_the_table(root: Path) -> None:
    write_lines(root / "meta.csv", "video_id;texto", *(f"{i};t" for i in IDS), f"{FIRST};t")
    result = check(root)
    assert {"A001", "A011"} <= found(result).keys()
    assert "lines 2, 7: train_000" in result.text


# ---- splits --------------------------------------------------------------------------------------


def in_videos(root: Path) -> None:
    """Clips cut out of three videos of 2, 2 and 1 clips, each text another; no splits yet."""
    videos = ("one", "one", "two", "two", "three")
    words = ("casa roja", "perro azul", "agua clara", "libro viejo", "mesa larga")
    rows = (f"{i};{text};{video}" for i, text, video in zip(IDS, words, videos, strict=True))
    write_lines(root / "meta.csv", "video_id;texto;video", *rows)
    for path in (root / "index").iterdir():
        path.unlink()


def test_splits_are_dealt_by_video_and_checked_at_once(root: Path) -> None:
    in_videos(root)
    result = check(root, make_splits=True, split_ratios="0.4,0.4,0.2")
    lists = {split: read_index(root / "index" / f"{split}.csv") for split in result.facts["splits"]}
    assert sorted(i for ids in lists.values() for i in ids) == sorted(IDS)
    assert {frozenset(ids) for ids in lists.values()} == {
        frozenset(IDS[:2]), frozenset(IDS[2:4]), frozenset(IDS[4:]),
    }  # fmt: skip
    assert lists["test"] == ["test_000"]
    assert (result.exit_code, found(result)) == (0, {})
    assert [path.name for path in result.outputs] == ["train.csv", "val.csv", "test.csv"]


def test_splits_that_are_there_stay_unless_told_otherwise(root: Path) -> None:
    in_videos(root)
    write_lines(root / "index" / "val.csv", "val_000")
    with pytest.raises(UsageError, match="already there"):
        run_validate(root, load_settings(flags={"check.make_splits": True}).settings, print)
    assert read_index(root / "index" / "val.csv") == ["val_000"]
    assert not (root / "index" / "train.csv").exists()
    assert check(root, make_splits=True, overwrite=True).exit_code == 0


def test_splits_need_texts(root: Path) -> None:
    (root / "meta.csv").unlink()
    settings = load_settings(flags={"check.make_splits": True, "check.overwrite": True}).settings
    with pytest.raises(InputError, match="no clip has a text"):
        run_validate(root, settings, lambda event, **facts: None)


# ---- the page ------------------------------------------------------------------------------------


class Page(HTMLParser):
    """What a browser would make of the page: its tags with attributes, and its text."""

    VOID = frozenset({"meta", "img", "br", "link", "input"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.words += data

    def count(self, tag: str, **attributes: str) -> int:
        wanted = {name.rstrip("_"): value for name, value in attributes.items()}
        return sum(t == tag and wanted.items() <= a.items() for t, a in self.tags)


def page_of(root: Path, **flags: object) -> Page:
    path = root.parent / "report.html"
    result = check(root, html=str(path), **flags)
    assert path in result.outputs
    return Page(path.read_text("utf-8"))


def test_a_page_needs_no_other_file_and_no_script(root: Path) -> None:
    page = page_of(root)
    assert page.count("script") == page.count("link") == page.count("iframe") == 0
    sources = [attributes.get("src") or "" for _, attributes in page.tags if "src" in attributes]
    assert len(sources) == 5
    assert all(source.startswith("data:image/jpeg;base64,") for source in sources)
    styles = re.findall(r"url\(|@import|https?:", (root.parent / "report.html").read_text("utf-8"))
    assert styles == []
    assert "Every rule holds" in page.words


def test_a_page_shows_every_place_and_a_strip_per_stream(root: Path) -> None:
    for name in IDS[:3]:
        (root / "face" / f"{name}_f000001.jpg").unlink()
    page = page_of(root, examples=1)
    for name in IDS[:3]:
        assert f"{name}: face: 5 crops for 6 frames, missing 1" in page.words
    assert page.count("details", class_="finding error") == 1
    assert page.count("em", class_="failed") == 1
    assert page.count("svg", class_="strip") == 4 * len(IDS)
    assert page.count("figure") == 4


def test_strips_are_filled_where_something_was_seen(root: Path) -> None:
    from dataclasses import replace

    from slt_cli.landmarks.layouts import get_layout

    points = list(get_layout("mediapipe_holistic_543").component("LEFT_HAND"))

    def hide(clip):  # frames 0, 1 and 5 of 6 without left hand
        valid, keypoints = clip.valid.copy(), clip.keypoints.copy()
        for frame in (0, 1, 5):
            valid[frame, points] = False
            keypoints[frame, points] = 0
        return replace(clip, valid=valid, keypoints=keypoints)

    edit_clip(root, hide)
    page = page_of(root)
    paths = [attributes["d"] for tag, attributes in page.tags if tag == "path"]
    assert paths.count("M0 0h6v1H0z") == 4 * len(IDS) - 1
    assert paths.count("M2 0h3v1H2z") == 1
    assert "50%" in page.words


def test_the_clips_seen_worst_come_first_and_are_capped(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from slt_cli.pipelines.validation import corpus_page
    from tests.corpus.rules.breakages import BREAKAGES

    monkeypatch.setattr(corpus_page, "MOST_STRIPS", 2)
    BREAKAGES["C008"].do(root)  # the first clip has no hands
    page = page_of(root)
    assert page.count("svg", class_="strip") == 2 * 4
    assert "The 2 clips seen worst, of 5." in page.words
    first = next(a["aria-label"] for t, a in page.tags if t == "svg" and a.get("class") == "strip")
    assert first == f"body of {FIRST}: 100%"


def test_names_and_texts_from_data_stay_text(root: Path) -> None:
    evil = "<img src=x onerror=alert(1)>&amp;'\""
    (root / "keypoints" / f"{FIRST}.npz").rename(root / "keypoints" / f"{evil}.npz")
    write_lines(root / "index" / "val.csv", evil)
    page = page_of(root)
    assert not [a for _, a in page.tags if "onerror" in a]
    assert evil in page.words


def test_a_crop_that_cannot_be_read_is_framed_in_red(root: Path) -> None:
    import base64
    from io import BytesIO

    from PIL import Image

    for path in (root / "face").glob(f"{FIRST}_f*.jpg"):
        path.write_bytes(b"\xff\xd8 no picture")
    for path in (root / "hand_l").glob(f"{FIRST}_f*.jpg"):
        path.write_bytes(picture(250))
    page = page_of(root)
    (source,) = (a["src"] for tag, a in page.tags if tag == "img" and FIRST in (a.get("alt") or ""))
    sheet = Image.open(BytesIO(base64.b64decode(source.partition(",")[2]))).convert("RGB")
    assert sheet.size == (6 * 82, 3 * 82)  # six frames, three streams
    red, green = sheet.getpixel((41, 1)), sheet.getpixel((41, 83))
    assert red[0] > 150 > red[1]
    assert green[1] > 120 > green[0]
    assert min(sheet.getpixel((41, 82 + 41))) > 230


def test_a_corpus_without_clips_still_gets_a_page(tmp_path: Path) -> None:
    (tmp_path / "corpus" / "keypoints").mkdir(parents=True)
    page = page_of(tmp_path / "corpus")
    assert page.count("details", class_="finding error") == 1
    assert "no clips" in page.words
    assert page.count("svg") == 0
