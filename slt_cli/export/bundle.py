"""A bundle: the folder that translates on its own, with a manifest of its files."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from slt_cli import __version__
from slt_cli.errors import InputError, UsageError, VerificationError
from slt_cli.export.preprocess import Preprocess
from slt_cli.storage.atomic import replace_dir, staging_dir, write_json
from slt_cli.storage.hashes import sha256_file

SCHEMA = 1
MANIFEST = "manifest.json"
TOKENIZER = "tokenizer.json"
PREPROCESS = "preprocess.json"
CARD = "card.md"


@dataclass(frozen=True)
class Bundle:
    """A bundle whose files are all there and unchanged."""

    path: Path
    preprocess: Preprocess
    tokenizer_json: str
    manifest: dict[str, Any]


@contextmanager
def new_bundle(path: Path, *, overwrite: bool) -> Iterator[Path]:
    """Yield a staging folder that becomes the bundle `path` when the body succeeds, or vanishes.

    Raises `UsageError` when `path` exists, unless it is a bundle that may be overwritten.
    """
    refuse_existing(path, overwrite=overwrite)
    with staging_dir(path.absolute().parent, path.name) as stage:
        yield stage
        replace_dir(stage, path.absolute())


def refuse_existing(path: Path, *, overwrite: bool) -> None:
    """Raise `UsageError` unless a bundle may be written at `path`."""
    if not path.exists():
        return
    if not overwrite:
        raise UsageError(
            "the bundle folder exists",
            where=str(path),
            hint="add --overwrite, or choose another -o",
        )
    if not (path / MANIFEST).is_file():
        raise UsageError(
            "only a bundle is overwritten, and this is none",
            where=str(path),
            hint="choose another -o",
        )


def write_manifest(folder: Path, facts: Mapping[str, Any]) -> None:
    """Record size and SHA-256 of every file in `folder`, beside `facts`."""
    files = {
        file.name: {"sha256": sha256_file(file), "bytes": file.stat().st_size}
        for file in sorted(folder.iterdir())
        if file.name != MANIFEST
    }
    write_json(folder / MANIFEST, {"schema": SCHEMA, "slt": __version__, "files": files, **facts})


def read_bundle(path: Path) -> Bundle:
    """Open a bundle after checking every file against the manifest.

    Raises `InputError` for a folder that is no bundle or lacks a file, and `VerificationError`
    naming the first file whose content changed.
    """
    manifest = _read_manifest(path)
    for name, expected in manifest["files"].items():
        file = path / name
        if not file.is_file():
            raise InputError("a file of the bundle is missing", where=str(file), hint=_AGAIN)
        if sha256_file(file) != expected["sha256"]:
            raise VerificationError(
                f"{name} is not the file that was exported: its SHA-256 differs from {MANIFEST}",
                where=str(file), hint=_AGAIN,
            )  # fmt: skip
    preprocess = Preprocess.from_json(
        (path / PREPROCESS).read_text("utf-8"), where=str(path / PREPROCESS)
    )
    return Bundle(path, preprocess, (path / TOKENIZER).read_text("utf-8"), manifest)


_AGAIN = "copy the whole folder again, or export the run again: slt export onnx RUN"
_NEEDED = {"encoder.onnx", "decoder.onnx", TOKENIZER, PREPROCESS}


def _read_manifest(path: Path) -> dict[str, Any]:
    try:
        manifest = json.loads((path / MANIFEST).read_text("utf-8"))
        files = manifest["files"]
        complete = files.keys() >= _NEEDED and all("sha256" in entry for entry in files.values())
        inside = all(Path(name).name == name for name in files)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        complete = inside = False
    if not (complete and inside) or manifest.get("schema") != SCHEMA:
        raise InputError(
            "not a bundle", where=str(path), hint="slt export onnx RUN writes one: encoder.onnx, "
            "decoder.onnx, tokenizer.json, preprocess.json, manifest.json",
        )  # fmt: skip
    return dict(manifest)
