"""Model files that a user brings: where they may lie, and the proof that they are the right."""

from __future__ import annotations

import os
from collections.abc import Collection
from pathlib import Path
from typing import NamedTuple

from slt_cli.errors import MissingAsset
from slt_cli.storage.hashes import sha256_file

ENVIRONMENT = "SLT_ASSETS"
"""Variable that lists further asset folders, separated like PATH."""


class Asset(NamedTuple):
    """A model file and the hash that it really has."""

    path: Path
    sha256: str


def asset_folders() -> tuple[Path, ...]:
    """Folders searched for assets, in order; they need not exist."""
    listed = [Path(part) for part in os.environ.get(ENVIRONMENT, "").split(os.pathsep) if part]
    own = Path(os.path.expanduser("~/.local/share/slt"))
    home = [own] if own.is_absolute() else []  # without a home "~" stays as it is
    return (*listed, Path.cwd() / "assets", *home)


def find_asset(name: str, sha256s: Collection[str], *, source: str = "") -> Asset:
    """The file `name` of one of the asset folders that has one of the hashes `sha256s`.

    Nothing is ever downloaded; `source` says where a user can get the file. Raises `MissingAsset`
    when it is in none of the folders, or only with other content.
    """
    folders = asset_folders()
    others: list[str] = []
    for path in (folder / name for folder in folders):
        try:
            if not path.is_file():
                continue
            found = sha256_file(path)
        except OSError as error:
            others.append(f"{path} cannot be read ({error.strerror})")
            continue
        if found in sha256s:
            return Asset(path, found)
        others.append(f"{path} has sha256 {found}")
    if others:
        raise MissingAsset(
            f"no {name} with the expected content: {'; '.join(others)}; "
            f"expected sha256 {' or '.join(sha256s)}",
            hint="copy the file again, or accept it with --model-sha256 if you trust it",
        )
    raise MissingAsset(
        f"{name} is in none of the asset folders: {', '.join(map(str, folders))}",
        hint=f"put the file into one of them or set {ENVIRONMENT} to its folder"
        + (f"; it comes from {source}" if source else ""),
    )
