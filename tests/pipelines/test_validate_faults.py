"""What can be wrong with a corpus, the exit code it gives, and the words that name it."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from slt_cli.errors import SltError
from slt_cli.pipelines.result import silent
from slt_cli.pipelines.validate import run_validate
from slt_cli.settings.load import load_settings
from tests.corpus.rules.breakages import BREAKAGES, shorten
from tests.corpus.rules.made import FIRST, IDS, append, write_good_corpus, write_lines

CLIP = f"keypoints/{FIRST}.npz"


class Trap:
    """What unpickling would run: it leaves a file behind."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (self.path,))


def edit_bytes(name: str, edit: Callable[[bytes], bytes]) -> Callable[[Path], None]:
    def do(root: Path) -> None:
        (root / name).write_bytes(edit((root / name).read_bytes()))

    return do


def flip_bit(data: bytes) -> bytes:
    middle = len(data) // 2
    return data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :]


def meta(text: str, encoding: str = "utf-8") -> Callable[[Path], None]:
    return lambda root: (root / "meta.csv").write_bytes(text.encode(encoding)) and None


def rows(**texts: str) -> str:
    return "video_id;texto\n" + "".join(f"{i};{texts.get(i, 'texto de ' + i)}\n" for i in IDS)


def object_array(root: Path) -> None:
    trap = np.array([Trap(root / "canary")], object)
    np.savez(root / CLIP, keypoints=trap, allow_pickle=True)


def bare_pickle(root: Path) -> None:
    (root / CLIP).write_bytes(pickle.dumps(Trap(root / "canary")))


def tokenizer(root: Path) -> None:
    from slt_cli.data.tokenizer import TextTokenizer

    text = TextTokenizer.train(["texto de train val test 0123456789"] * 3, 300).to_json()
    (root.parent / "tokenizer.json").write_text(text, "utf-8")


def tokenizer_and_long_text(root: Path) -> None:
    tokenizer(root)
    meta(rows(val_000="texto de " * 40))(root)


def tokenizer_and_greek(root: Path) -> None:
    tokenizer(root)
    meta(rows(val_000="Ω ψ δ"))(root)


Fault = tuple[Callable[[Path], object], int, str]
FAULTS: dict[str, Fault] = {
    # arrays
    "array cut": (edit_bytes(CLIP, lambda d: d[: len(d) // 2]), 3, f"{FIRST}: damaged or incompl"),
    "array with a flipped bit": (edit_bytes(CLIP, flip_bit), 3, f"{FIRST}: damaged or incomplete"),
    "empty array file": (edit_bytes(CLIP, lambda d: b""), 3, f"{FIRST}: the file is empty"),
    "web page saved as array": (edit_bytes(CLIP, lambda d: b"<html>"), 3, "looks like HTML"),
    "objects in an array": (object_array, 3, "it holds Python objects"),
    "pickle instead of arrays": (bare_pickle, 3, "it holds Python objects"),
    "pose file cut": (edit_bytes(f"pose/{FIRST}.npz", lambda d: d[:90]), 3, "damaged or incompl"),
    "shard cut": (BREAKAGES["C028"].do, 3, "shard crops-000000.tar is cut"),
    # clips
    "no frame": (shorten(0), 3, f"{FIRST}: 0 frames"),
    "one frame": (
        lambda root: (shorten(1)(root), (root / "annotations" / "gloss.csv").unlink()), 0,
        f"{FIRST}: 1 frames for a kernel of 3",
    ),
    "one long clip": (BREAKAGES["C030"].do, 0, f"{FIRST}: 66 frames, the median is 6"),
    "mixed estimators": (BREAKAGES["C007"].do, 3, "another estimator than most clips"),
    "mixed layouts": (BREAKAGES["C004"].do, 3, "another layout than most clips"),
    "mixed frame rates": (BREAKAGES["C011"].do, 0, "another frame rate than most clips"),
    "crop missing": (BREAKAGES["C003"].do, 3, "missing 2, 4"),
    # texts
    "byte-order mark and CRLF": (meta("\ufeff" + rows().replace("\n", "\r\n")), 0, "0 errors"),
    "Latin-1": (meta(rows(val_000="mañana"), "latin-1"), 3, "not UTF-8: byte 0xf1"),
    "quote not closed": (meta(rows(val_000='"hola')), 3, "meta.csv:5: a quote is opened here"),
    "column missing": (meta(rows().replace("texto\n", "txto\n", 1)), 3, "is txto meant?"),
    "empty table": (meta("\n"), 3, "the table is empty"),
    "id twice": (
        lambda root: append(root, "meta.csv", f"{FIRST};x"), 3,
        f"{FIRST} appears twice, in lines 2 and 7",
    ),
    "empty text": (meta(rows(val_000="  ")), 3, "1 clips have no text: val_000 (line 5)"),
    "control character": (meta(rows(val_000="a\x1bb")), 3, "line 5: U+001B"),
    "decomposed accents": (meta(rows(val_000="cafe\u0301")), 0, "line 5: café"),
    "text too long": (tokenizer_and_long_text, 3, "text longer than the decoder's limit"),
    "unknown characters": (tokenizer_and_greek, 3, "tokenizer of another language or script"),
    # glosses
    "too short for CTC": (BREAKAGES["G001"].do, 3, "in 2 steps for 6 glosses, which need 7"),
    "gloss number 0": (BREAKAGES["G003"].do, 3, "val_000: B is 0"),
    # splits
    "listed without clip": (BREAKAGES["S002"].do, 3, "val: ghost"),
    "clip not listed": (BREAKAGES["S007"].do, 0, "clip in no split"),
    "same id in two splits": (BREAKAGES["S003"].do, 3, "val_000: val, test"),
    "same id twice in a split": (
        lambda root: append(root, "index/val.csv", "val_000"), 3,
        "val_000 is listed twice, in lines 2 and 3",
    ),
    "empty split": (
        lambda root: write_lines(root / "index" / "val.csv", "video_id"), 3,
        "the index lists no clip",
    ),
    "same signer in two splits": (BREAKAGES["S006"].do, 0, "ana: train, test"),
    "same video in two splits": (BREAKAGES["S005"].do, 0, "val_000.mp4: train, val"),
    "same sentence in two splits": (BREAKAGES["S004"].do, 0, "in training as train_000"),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_gives_its_exit_code_and_is_named(tmp_path: Path, fault: str) -> None:
    root = write_good_corpus(tmp_path / "corpus")
    do, code, says = FAULTS[fault]
    do(root)
    coder = tmp_path / "tokenizer.json"
    flags = {"check.tokenizer": coder} if coder.exists() else {}
    result = run_validate(root, load_settings(flags=flags).settings, silent)
    assert says in result.text
    assert result.exit_code == code
    assert not (root / "canary").exists()
    assert "allow_pickle" not in result.text
    if code == 0 and result.counts["warnings"]:
        strict = load_settings(flags=flags | {"check.fail_on": "warning"}).settings
        assert run_validate(root, strict, silent).exit_code == 3


def test_the_canary_is_real(tmp_path: Path) -> None:
    """Unpickling what the tests above refuse would have left the file behind."""
    pickle.loads(pickle.dumps(Trap(tmp_path / "canary")))
    assert (tmp_path / "canary").exists()


def test_a_hostile_checkpoint_is_refused_and_named(tmp_path: Path) -> None:
    import torch

    torch.save({"state": Trap(tmp_path / "canary")}, tmp_path / "best.pt")
    with pytest.raises(SltError, match="refused") as caught:
        run_validate(tmp_path / "best.pt", load_settings().settings, silent)
    assert caught.value.exit_code == 3
    assert not (tmp_path / "canary").exists()


def test_a_table_is_not_repaired_in_place(tmp_path: Path) -> None:
    root = write_good_corpus(tmp_path / "corpus")
    before = (root / "meta.csv").read_bytes()
    settings = load_settings(
        flags={"check.fix": root / "meta.csv", "check.overwrite": True}
    ).settings
    with pytest.raises(SltError) as caught:
        run_validate(root / "meta.csv", settings, silent)
    assert caught.value.exit_code == 2
    assert (root / "meta.csv").read_bytes() == before
