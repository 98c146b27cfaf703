from __future__ import annotations

import contextlib
import json
import shutil
from pathlib import Path

import pytest

from slt_cli.errors import InputError, UsageError, VerificationError
from slt_cli.export.bundle import MANIFEST, new_bundle, read_bundle
from slt_cli.storage.hashes import sha256_file
from tests.export.small_bundle import small_preprocess


@pytest.fixture
def copied(bundle: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(bundle, tmp_path / "copied"))


def test_the_manifest_lists_every_file_with_size_and_hash(bundle: Path) -> None:
    files = json.loads((bundle / MANIFEST).read_text("utf-8"))["files"]
    assert set(files) == {p.name for p in bundle.iterdir()} - {MANIFEST}
    for name, entry in files.items():
        assert entry == {
            "sha256": sha256_file(bundle / name), "bytes": (bundle / name).stat().st_size
        }  # fmt: skip


def test_a_bundle_reads_back_what_was_written(bundle: Path) -> None:
    assert read_bundle(bundle).preprocess == small_preprocess()


@pytest.mark.parametrize("name", ["encoder.onnx", "decoder.onnx", "tokenizer.json"])
def test_one_flipped_bit_is_found_and_the_file_named(copied: Path, name: str) -> None:
    data = bytearray((copied / name).read_bytes())
    data[len(data) // 2] ^= 1
    (copied / name).write_bytes(data)
    with pytest.raises(VerificationError, match=name) as raised:
        read_bundle(copied)
    assert raised.value.exit_code == 7
    assert raised.value.where == str(copied / name)


def test_a_missing_file_is_named(copied: Path) -> None:
    (copied / "decoder.onnx").unlink()
    with pytest.raises(InputError, match="missing") as raised:
        read_bundle(copied)
    assert raised.value.where == str(copied / "decoder.onnx")


@pytest.mark.parametrize(
    "manifest",
    [
        None,
        "{",
        "[]",
        "{}",
        '{"schema": 1, "files": {}}',
        '{"schema": 1, "files": []}',
        '{"schema": 9}',
    ],
)
def test_another_folder_is_no_bundle(tmp_path: Path, manifest: str | None) -> None:
    if manifest is not None:
        (tmp_path / MANIFEST).write_text(manifest, "utf-8")
    with pytest.raises(InputError, match="not a bundle"):
        read_bundle(tmp_path)
    with pytest.raises(InputError, match="not a bundle"):
        read_bundle(tmp_path / "nowhere")


def test_a_manifest_cannot_name_files_outside_the_bundle(copied: Path) -> None:
    manifest = json.loads((copied / MANIFEST).read_text("utf-8"))
    manifest["files"]["../secret"] = {"sha256": "0" * 64, "bytes": 1}
    (copied / MANIFEST).write_text(json.dumps(manifest), "utf-8")
    with pytest.raises(InputError, match="not a bundle"):
        read_bundle(copied)


def test_a_bundle_of_a_later_schema_is_refused(copied: Path) -> None:
    for name in (MANIFEST, "preprocess.json"):
        path = copied / name
        fields = json.loads(path.read_text("utf-8"))
        path.write_text(json.dumps({**fields, "schema": 99}), "utf-8")
    with pytest.raises(InputError):
        read_bundle(copied)


def test_a_bundle_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    with contextlib.suppress(RuntimeError), new_bundle(tmp_path / "b", overwrite=False) as stage:
        (stage / "file").write_text("half")
        raise RuntimeError("stopped")
    assert list(tmp_path.iterdir()) == []
    with new_bundle(tmp_path / "b", overwrite=False) as stage:
        (stage / "file").write_text("whole")
        assert not (tmp_path / "b").exists()
    assert [p.name for p in tmp_path.iterdir()] == ["b"]
    assert (tmp_path / "b" / "file").read_text() == "whole"


def test_an_existing_folder_is_refused_and_only_a_bundle_is_replaced(
    copied: Path, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match="exists"), new_bundle(copied, overwrite=False):
        pass
    with new_bundle(copied, overwrite=True) as stage:
        (stage / "new").write_text("new")
    assert [p.name for p in copied.iterdir()] == ["new"]
    photos = tmp_path / "photos"
    photos.mkdir()
    (photos / "cat.jpg").write_text("cat")
    with pytest.raises(UsageError, match="only a bundle"), new_bundle(photos, overwrite=True):
        pass
    assert (photos / "cat.jpg").read_text() == "cat"
