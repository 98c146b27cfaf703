"""Files of others that a run starts from: text models, tokenizers, a checkpoint. No torch.

They are looked for on this machine. Only `fetch_missing` ever asks the network, and only when the
settings allow it and pin what is fetched.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from slt_cli.data.pretrained_tokenizer import FILES, tokenizer_file
from slt_cli.errors import MissingAsset, SltError, UsageError
from slt_cli.settings.model import ModelSettings
from slt_cli.settings.root import Settings
from slt_cli.storage.assets import ENVIRONMENT, asset_folders

CONFIG = "config.json"
WEIGHTS = ("model.safetensors", "model.safetensors.index.json", "pytorch_model.bin",
           "pytorch_model.bin.index.json")  # fmt: skip
RANDOM_DECODERS = ("mbart", "t5", "mbart-large", "t5-base")
"""Values of `model.decoder_model` that mean a shape with random weights and no file."""
SINGLE_SIGNER = Path("data") / "single_signer"
SINGLE_SIGNER_VARIABLE = "SLT_SINGLE_SIGNER_CHECKPOINT"

_HUB_NAME = re.compile(r"[\w-][\w.-]*(/[\w-][\w.-]*)?")
_COMMIT = re.compile(r"[0-9a-f]{40}")


class _Need(NamedTuple):
    """A model or tokenizer that the settings name, and what they say about fetching it."""

    name: str
    setting: str
    find: Callable[[], Path]
    revision: str | None
    local_only: bool


def pretrained_name(settings: ModelSettings) -> str | None:
    """Name or folder of the pretrained text decoder; None when its weights are random."""
    given = settings.decoder_class or settings.decoder_config
    return None if given or settings.decoder_model in RANDOM_DECODERS else settings.decoder_model


def find_decoder(name: str, search_path: Sequence[Path], revision: str | None = None) -> Path:
    """The folder of the pretrained text model called `name`, or at that path.

    `revision` is the one that counts in Hugging Face's cache, None its main one or the only one.
    Raises `MissingAsset` that names every place looked in and the folder to fill.
    """
    return _find(
        name, search_path, lambda place: (place / CONFIG).is_file(), revision,
        where="model.decoder_model", flag="decoder",
        needs=f"{CONFIG}, model.safetensors and the tokenizer's file",
    )  # fmt: skip


def find_tokenizer(name: str, search_path: Sequence[Path], revision: str | None = None) -> Path:
    """The file of the tokenizer called `name`, or at that path; errors as `find_decoder`.

    A name of a hub may end in `@COMMIT`, which is its revision then.
    """
    name, own_revision = _split_revision(name)
    place = _find(
        name, search_path, lambda place: tokenizer_file(place) is not None,
        own_revision or revision, where="data.tokenizer", flag="tokenizer",
        needs=" or ".join(FILES),
    )  # fmt: skip
    file = tokenizer_file(place)
    assert file is not None
    return file


def missing_assets(settings: Settings) -> list[MissingAsset]:
    """What the settings name and this machine has not: known before anything is built."""
    missing = []
    for need in _needs(settings):
        try:
            need.find()
        except MissingAsset as error:
            missing.append(error)
    return missing


def require_assets(settings: Settings, environ: Mapping[str, str]) -> None:
    """Raise what a new run would raise for want of a file, before anything heavy is imported.

    What `fetch_missing` may download counts as there. Raises `MissingAsset` and `UsageError` as
    `fetch_missing` and `find_pretrained` do.
    """
    find_pretrained(settings, environ)
    for need in _needs(settings):
        try:
            need.find()
        except MissingAsset as error:
            _revision_to_fetch(settings, need, error)


def fetch_missing(settings: Settings) -> list[str]:
    """Download what is missing into Hugging Face's cache; returns a line for each model fetched.

    Raises `MissingAsset` for what is missing and may not be fetched or is not in the hub, and
    `UsageError` where a download is wanted without the commit to fetch.
    """
    lines: list[str] = []
    for need in _needs(settings):
        try:
            need.find()
        except MissingAsset as error:
            name, revision = _revision_to_fetch(settings, need, error)
            _download(name, revision, need.setting)
            lines.append(f"downloaded {name} at {revision} into Hugging Face's cache")
            need.find()
    return lines


def find_pretrained(settings: Settings, environ: Mapping[str, str]) -> Path | None:
    """The checkpoint that a new run starts from by default; None without one.

    In this order: `training.pretrained_checkpoint`, the variable SLT_SINGLE_SIGNER_CHECKPOINT, a
    `.pt` in `data/single_signer/` (`best.pt` first). Nothing with `training.pretrained` none, with
    `training.resume` or with `training.init_checkpoint`, which say where the run starts.

    Raises `MissingAsset` when one of the first two names a file that is not there, `UsageError`
    when a checkpoint is named and another start as well.
    """
    training = settings.training
    named = training.pretrained_checkpoint
    other = training.resume or training.init_checkpoint or training.pretrained == "none"
    if named is not None and other and not training.resume:
        raise UsageError(
            "pretrained_checkpoint excludes "
            + ("init_checkpoint" if training.init_checkpoint else "pretrained none"),
            where="training.pretrained_checkpoint", hint="leave one of them out",
        )  # fmt: skip
    if other:
        return None
    variable = environ.get(SINGLE_SIGNER_VARIABLE, "")
    given = named or (Path(variable) if variable else None)
    if given is not None:
        if not given.is_file():
            where = "training.pretrained_checkpoint" if named else SINGLE_SIGNER_VARIABLE
            raise MissingAsset(
                f"there is no checkpoint {given}", where=where,
                hint="put the file there, or start from random weights with --pretrained none",
            )  # fmt: skip
        return given
    best_first = sorted(SINGLE_SIGNER.glob("*.pt"), key=lambda p: (p.name != "best.pt", p.name))
    return next((path for path in best_first if path.is_file()), None)


def start_from_pretrained(
    path: Path,
    load: Callable[[], None],
    settings: Settings,
    *,
    differs: Callable[[], str | None] = lambda: None,
) -> tuple[bool, str]:
    """Load what `find_pretrained` found; returns whether it was used, and the line about it.

    `load()` fills the model or raises an `SltError` and leaves it as it was; `differs()` says in
    words what the checkpoint's tokens or glosses have against it. Raises `UsageError` with the
    reason for a checkpoint that was asked for by name and does not fit; one that was only found is
    left alone then.
    """
    try:
        reason = differs()
        if reason is None:
            load()
            return True, f"the weights start from {path}"
    except SltError as error:
        reason = error.message
    if settings.training.pretrained_checkpoint is not None:
        raise UsageError(
            f"the checkpoint does not fit this model: {reason}", where=str(path),
            hint="start from random weights with --pretrained none",
        )  # fmt: skip
    return False, f"{path} is there and is not used, because it does not fit: {reason}"


def _needs(settings: Settings) -> Iterator[_Need]:
    model, data = settings.model, settings.data
    decoder, name = pretrained_name(model), data.tokenizer
    if decoder is not None:

        def find_all() -> Path:
            folder = find_decoder(decoder, model.decoder_search_path, model.decoder_revision)
            if not any((folder / file).is_file() for file in WEIGHTS):
                raise MissingAsset(
                    f"{folder} holds no weights", where="model.decoder_model",
                    hint=f"put {' or '.join(WEIGHTS)} there",
                )  # fmt: skip
            return folder if name else find_tokenizer(str(folder), ())

        yield _Need(
            decoder, "model.decoder_model", find_all, model.decoder_revision,
            model.decoder_local_files_only,
        )  # fmt: skip
    if name is not None:
        revision = model.decoder_revision if name == decoder else None
        folders = (*data.tokenizer_search_path, *model.decoder_search_path)
        yield _Need(
            name, "data.tokenizer", lambda: find_tokenizer(name, folders, revision), revision,
            data.tokenizer_local_files_only,
        )  # fmt: skip


def _find(
    name: str,
    search_path: Sequence[Path],
    fits: Callable[[Path], bool],
    revision: str | None,
    *,
    where: str,
    flag: str,
    needs: str,
) -> Path:
    places = list(dict.fromkeys(_places(name, search_path)))
    found = next((place for place in places if fits(place)), None)
    cached = _cached(name, revision) if found is None else None
    if cached is not None and fits(cached):
        return cached
    if found is None:
        fill = places[0] if len(places) == 1 else places[1]
        raise MissingAsset(
            f"{name} is in none of {', '.join(map(str, places))}, nor in Hugging Face's cache",
            where=where,
            hint=f"fill the folder {fill} with {needs}; other folders are named by "
            f"--{flag}-search-path or by {ENVIRONMENT}"
            + (", or fetch it once with --allow-download" if _HUB_NAME.fullmatch(name) else ""),
        )
    return found


def _places(name: str, search_path: Sequence[Path]) -> Iterator[Path]:
    """`name` as a path, then below every folder, with and without the owner before its slash."""
    own = Path(name).expanduser()
    yield own
    if not own.is_absolute():
        for folder in (*search_path, *asset_folders()):
            yield folder.expanduser() / name
            yield folder.expanduser() / own.name


def _cached(name: str, revision: str | None) -> Path | None:
    """The folder of Hugging Face's cache in which an earlier download of `name` lies."""
    if not _HUB_NAME.fullmatch(name):
        return None
    from huggingface_hub import constants, try_to_load_from_cache

    found: list[Any] = [
        try_to_load_from_cache(name, file, revision=revision) for file in (CONFIG, *FILES)
    ]
    folder = next((Path(file).parent for file in found if isinstance(file, str)), None)
    if folder is None and revision is None:
        stored = f"models--{name.replace('/', '--')}"
        snapshots = list((Path(constants.HF_HUB_CACHE) / stored / "snapshots").glob("*"))
        folder = snapshots[0] if len(snapshots) == 1 else None
    return folder


def _split_revision(name: str) -> tuple[str, str | None]:
    before, _, after = name.rpartition("@")
    return (before, after) if before and _COMMIT.fullmatch(after) else (name, None)


def _revision_to_fetch(settings: Settings, need: _Need, missing: MissingAsset) -> tuple[str, str]:
    """Name and commit of a missing model; raises `missing` where it may not be fetched."""
    if not settings.training.allow_download or need.local_only:
        raise missing
    name, own_revision = _split_revision(need.name)
    revision = own_revision or need.revision
    if revision is None or not _COMMIT.fullmatch(revision):
        raise _without_revision(name, need.setting, revision) from None
    return name, revision


def _without_revision(name: str, setting: str, revision: str | None) -> UsageError:
    said = "there is none" if revision is None else f"{revision} may change its meaning"
    how = "--decoder-revision COMMIT" if setting.startswith("model.") else f"{name}@COMMIT"
    return UsageError(
        f"to download {name} takes a pinned revision, a commit of 40 hex digits: {said}",
        where=setting, hint=how,
    )  # fmt: skip


def _download(name: str, revision: str, setting: str) -> None:
    """Fetch configuration, weights (safetensors where there are any) and tokenizer."""
    from huggingface_hub import HfApi, snapshot_download

    try:
        files = HfApi().list_repo_files(name, revision=revision)
        kind = ".safetensors" if any(f.endswith(".safetensors") for f in files) else ".bin"
        weights = [f for f in files if f.endswith((kind, f"{kind}.index.json"))]
        wanted = [*weights, CONFIG, *FILES] if setting.startswith("model.") else [*FILES]
        snapshot_download(name, revision=revision, allow_patterns=wanted)
    except Exception as error:  # of the network, of the hub, of the disk: each its own
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        raise MissingAsset(
            f"{name} cannot be downloaded: {reason}", where=setting,
            hint="copy its folder here and name it with --decoder-search-path",
        ) from error  # fmt: skip
