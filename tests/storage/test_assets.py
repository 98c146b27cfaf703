from __future__ import annotations

import os
from pathlib import Path

import pytest

from slt_cli.errors import MissingAsset
from slt_cli.storage.assets import ENVIRONMENT, asset_folders, find_asset
from slt_cli.storage.hashes import sha256_file


@pytest.fixture
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, ...]:
    """Two folders of the variable, ./assets and the one of the home folder."""
    listed = (tmp_path / "one", tmp_path / "two")
    monkeypatch.setenv(ENVIRONMENT, os.pathsep.join(map(str, listed)))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    return (*listed, tmp_path / "work" / "assets", tmp_path / "home/.local/share/slt")


def put(folder: Path, content: bytes) -> str:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.bin").write_bytes(content)
    return sha256_file(folder / "model.bin")


def test_folders_are_searched_in_the_documented_order(folders: tuple[Path, ...]) -> None:
    assert asset_folders() == folders
    for folder in reversed(folders):
        sha256 = put(folder, b"model")
        assert find_asset("model.bin", {sha256}) == (folder / "model.bin", sha256)


def test_a_missing_file_names_every_folder_and_where_to_get_it(
    folders: tuple[Path, ...],
) -> None:
    with pytest.raises(MissingAsset) as caught:
        find_asset("model.bin", {"0" * 64}, source="https://example.org/model.bin")
    assert all(str(folder) in caught.value.message for folder in folders)
    assert ENVIRONMENT in str(caught.value.hint)
    assert "https://example.org/model.bin" in str(caught.value.hint)
    assert caught.value.exit_code == 5


def test_wrong_content_names_what_was_expected_and_found(folders: tuple[Path, ...]) -> None:
    found = put(folders[1], b"altered")
    with pytest.raises(MissingAsset) as caught:
        find_asset("model.bin", {"0" * 64})
    assert found in caught.value.message
    assert "0" * 64 in caught.value.message
    assert str(folders[1] / "model.bin") in caught.value.message
    assert caught.value.exit_code == 5


def test_a_right_copy_is_found_behind_a_wrong_one(folders: tuple[Path, ...]) -> None:
    put(folders[0], b"altered")
    sha256 = put(folders[3], b"model")
    assert find_asset("model.bin", {sha256}).path == folders[3] / "model.bin"


def test_a_folder_of_that_name_is_no_asset(folders: tuple[Path, ...]) -> None:
    (folders[0] / "model.bin").mkdir(parents=True)
    with pytest.raises(MissingAsset, match="in none of the asset folders"):
        find_asset("model.bin", {"0" * 64})


def test_without_a_home_the_other_folders_are_searched(
    folders: tuple[Path, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os.path, "expanduser", lambda path: path)  # what it does without a home
    sha256 = put(folders[2], b"model")
    assert asset_folders() == folders[:3]
    assert find_asset("model.bin", {sha256}).path == folders[2] / "model.bin"


def test_an_unreadable_file_is_named_with_the_reason(
    folders: tuple[Path, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    put(folders[0], b"model")

    def refuse(path: Path) -> str:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr("slt_cli.storage.assets.sha256_file", refuse)
    with pytest.raises(MissingAsset, match=r"cannot be read \(Permission denied"):
        find_asset("model.bin", {"0" * 64})
