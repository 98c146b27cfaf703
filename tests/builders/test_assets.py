"""Files that a run starts from: where they are looked for, and what is said when they are not."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from slt_cli.builders import assets
from slt_cli.builders.assets import (
    RANDOM_DECODERS,
    SINGLE_SIGNER_VARIABLE,
    fetch_missing,
    find_decoder,
    find_pretrained,
    find_tokenizer,
    missing_assets,
    require_assets,
    start_from_pretrained,
)
from slt_cli.errors import InputError, MissingAsset, UsageError
from slt_cli.models.decoder.families import FAMILIES, PUBLISHED
from slt_cli.settings.load import load_settings
from slt_cli.settings.root import Settings

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture(autouse=True)
def _nothing_else_on_this_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("SLT_ASSETS", raising=False)
    monkeypatch.setattr(assets, "_cached", lambda name, revision: None)


def asked(**flags: object) -> Settings:
    return load_settings(flags={k.replace("__", "."): v for k, v in flags.items()}).settings


def model_folder(path: Path) -> Path:
    path.mkdir(parents=True)
    for name in ("config.json", "model.safetensors", "tokenizer.json"):
        (path / name).write_text("{}")
    return path


# ---- text models and tokenizers ------------------------------------------------------------------


def test_shapes_without_files_are_those_of_the_decoders() -> None:
    assert set(RANDOM_DECODERS) == {*FAMILIES, *PUBLISHED}


@pytest.mark.parametrize("below", ["google/t5-tiny", "t5-tiny"])
def test_a_name_is_found_below_a_folder_with_and_without_its_owner(
    tmp_path: Path, below: str
) -> None:
    folder = model_folder(tmp_path / "shelf" / below)
    assert find_decoder("google/t5-tiny", [tmp_path / "shelf"]) == folder
    assert find_tokenizer("google/t5-tiny", [tmp_path / "shelf"]) == folder / "tokenizer.json"


def test_the_variable_for_assets_names_folders_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = model_folder(tmp_path / "shelf" / "t5-tiny")
    monkeypatch.setenv("SLT_ASSETS", f"/nowhere:{tmp_path / 'shelf'}")
    assert find_decoder("google/t5-tiny", []) == folder


def test_tokenizers_are_looked_for_in_their_own_folders_first(tmp_path: Path) -> None:
    own = model_folder(tmp_path / "words" / "t5-tiny")
    model_folder(tmp_path / "models" / "t5-tiny")
    settings = asked(
        data__tokenizer="t5-tiny", data__tokenizer_search_path=[str(own.parent)],
        model__decoder_search_path=[str(tmp_path / "models")],
    )  # fmt: skip
    assert missing_assets(settings) == []
    folders = [*settings.data.tokenizer_search_path, *settings.model.decoder_search_path]
    assert find_tokenizer("t5-tiny", folders).parent == own


def test_what_is_missing_is_named_with_the_folder_to_fill(tmp_path: Path) -> None:
    settings = asked(
        model__decoder_model="google/t5-tiny", model__decoder_search_path=[str(tmp_path / "m")],
        data__tokenizer="words",
    )  # fmt: skip
    decoder, words = missing_assets(settings)
    assert (decoder.where, words.where) == ("model.decoder_model", "data.tokenizer")
    assert f"fill the folder {tmp_path / 'm' / 'google' / 't5-tiny'} with config.json" in str(
        decoder.hint
    )
    assert "--decoder-search-path" in str(decoder.hint)
    assert "--tokenizer-search-path" in str(words.hint)
    assert decoder.exit_code == 5


def test_a_decoder_without_its_tokenizer_is_not_all_there(tmp_path: Path) -> None:
    folder = model_folder(tmp_path / "t5-tiny")
    (folder / "tokenizer.json").unlink()
    (missing,) = missing_assets(asked(model__decoder_model=str(folder)))
    assert "tokenizer.json" in str(missing.hint)
    (other,) = missing_assets(asked(model__decoder_model=str(folder), data__tokenizer="x"))
    assert other.where == "data.tokenizer"


@pytest.mark.parametrize("name", RANDOM_DECODERS)
def test_decoders_with_random_weights_need_no_file(name: str) -> None:
    assert missing_assets(asked(model__decoder_model=name, model__d_model="64")) == []


def test_looking_for_assets_loads_no_torch(tmp_path: Path) -> None:
    """The file alone: its package gathers the builders, which do."""
    script = (
        "import importlib.util, sys; "
        f"spec = importlib.util.spec_from_file_location('assets', {assets.__file__!r}); "
        "module = importlib.util.module_from_spec(spec); spec.loader.exec_module(module); "
        "assert 'torch' not in sys.modules and 'transformers' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


# ---- downloads -----------------------------------------------------------------------------------


class Hub:
    """A hub that knows one model and remembers what was asked of it."""

    def __init__(self, home: Path) -> None:
        self.home, self.asked = home, []

    def list_repo_files(self, name: str, revision: str) -> list[str]:
        return ["config.json", "model.safetensors", "pytorch_model.bin", "tokenizer.json", "x.h5"]

    def snapshot_download(self, name: str, *, revision: str, allow_patterns: list[str]) -> None:
        self.asked.append((name, revision, allow_patterns))
        model_folder(self.home / name)


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Hub:
    import huggingface_hub

    hub = Hub(tmp_path / "assets")
    monkeypatch.setattr(huggingface_hub, "HfApi", lambda: hub)
    monkeypatch.setattr(huggingface_hub, "snapshot_download", hub.snapshot_download)
    return hub


def test_nothing_is_fetched_unless_it_is_allowed(hub: Hub) -> None:
    for flags in ({}, {"model__decoder_local_files_only": False}):
        with pytest.raises(MissingAsset):
            fetch_missing(asked(
                model__decoder_model="google/t5-tiny", model__decoder_revision=COMMIT, **flags
            ))  # fmt: skip
    assert hub.asked == []


def test_a_decoder_that_is_to_stay_local_is_not_fetched(hub: Hub) -> None:
    settings = asked(
        model__decoder_model="google/t5-tiny", model__decoder_revision=COMMIT,
        model__decoder_local_files_only=True, training__allow_download=True,
    )  # fmt: skip
    with pytest.raises(MissingAsset):
        fetch_missing(settings)
    assert hub.asked == []


@pytest.mark.parametrize("revision", [None, "main", "v1.1"])
def test_a_download_needs_a_pinned_revision(hub: Hub, revision: str | None) -> None:
    settings = asked(
        model__decoder_model="google/t5-tiny", model__decoder_revision=revision,
        training__allow_download=True,
    )  # fmt: skip
    for check in (fetch_missing, lambda s: require_assets(s, {})):
        with pytest.raises(UsageError, match="pinned revision") as caught:
            check(settings)
        assert caught.value.hint == "--decoder-revision COMMIT"
    assert hub.asked == []


def test_what_is_allowed_and_pinned_is_fetched_once(hub: Hub) -> None:
    settings = asked(
        model__decoder_model="google/t5-tiny", model__decoder_revision=COMMIT,
        training__allow_download=True,
    )  # fmt: skip
    require_assets(settings, {})
    assert hub.asked == []
    (line,) = fetch_missing(settings)
    assert COMMIT in line
    ((name, revision, files),) = hub.asked
    assert (name, revision) == ("google/t5-tiny", COMMIT)
    assert {"model.safetensors", "config.json", "tokenizer.json"} <= set(files)
    assert "pytorch_model.bin" not in files
    assert fetch_missing(settings) == []


def test_a_tokenizer_is_pinned_in_its_name(hub: Hub) -> None:
    settings = asked(data__tokenizer=f"owner/words@{COMMIT}", training__allow_download=True)
    fetch_missing(settings)
    ((name, revision, files),) = hub.asked
    assert (name, revision) == ("owner/words", COMMIT)
    assert "config.json" not in files
    with pytest.raises(UsageError) as caught:
        fetch_missing(asked(data__tokenizer="owner/others", training__allow_download=True))
    assert caught.value.hint == "owner/others@COMMIT"


def test_a_hub_that_does_not_answer_is_a_missing_asset(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: object, **named: object) -> None:
        raise ConnectionError("no route")

    monkeypatch.setattr(hub, "list_repo_files", fail)
    with pytest.raises(MissingAsset, match="no route"):
        fetch_missing(asked(
            model__decoder_model="a/b", model__decoder_revision=COMMIT,
            training__allow_download=True,
        ))  # fmt: skip


# ---- the starting checkpoint ---------------------------------------------------------------------


def touch(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"")
    return path


def test_no_checkpoint_anywhere_is_no_error() -> None:
    assert find_pretrained(asked(), {}) is None
    assert find_pretrained(asked(), {SINGLE_SIGNER_VARIABLE: ""}) is None


def test_the_flag_beats_the_variable_and_the_variable_the_folder(tmp_path: Path) -> None:
    folder = touch(Path("data/single_signer/a.pt"))
    assert find_pretrained(asked(), {}) == folder
    best = touch(Path("data/single_signer/best.pt"))
    assert find_pretrained(asked(), {}) == best
    variable = touch(tmp_path / "v.pt")
    environ = {SINGLE_SIGNER_VARIABLE: str(variable)}
    assert find_pretrained(asked(), environ) == variable
    flag = touch(tmp_path / "f.pt")
    assert find_pretrained(asked(training__pretrained_checkpoint=str(flag)), environ) == flag


@pytest.mark.parametrize(
    "flags",
    [
        {"training__pretrained": "none"},
        {"training__resume": True},
        {"training__init_checkpoint": "other.pt"},
    ],
)
def test_a_run_that_starts_elsewhere_takes_none(flags: dict[str, object]) -> None:
    touch(Path("data/single_signer/best.pt"))
    assert find_pretrained(asked(**flags), {SINGLE_SIGNER_VARIABLE: "gone.pt"}) is None


def test_a_named_checkpoint_that_is_not_there_is_missing() -> None:
    with pytest.raises(MissingAsset, match=r"gone\.pt") as caught:
        find_pretrained(asked(training__pretrained_checkpoint="gone.pt"), {})
    assert caught.value.where == "training.pretrained_checkpoint"
    with pytest.raises(MissingAsset) as caught:
        find_pretrained(asked(), {SINGLE_SIGNER_VARIABLE: "gone.pt"})
    assert (caught.value.where, caught.value.exit_code) == (SINGLE_SIGNER_VARIABLE, 5)


@pytest.mark.parametrize(
    "flags", [{"training__pretrained": "none"}, {"training__init_checkpoint": "other.pt"}]
)
def test_two_starts_exclude_one_another(flags: dict[str, object]) -> None:
    with pytest.raises(UsageError, match="excludes"):
        find_pretrained(asked(training__pretrained_checkpoint="a.pt", **flags), {})


def misfit() -> None:
    raise InputError("3 of 9 tensors match")


def test_a_found_checkpoint_that_fits_is_used_and_told() -> None:
    loaded: list[bool] = []
    used, line = start_from_pretrained(Path("b.pt"), lambda: loaded.append(True), asked())
    assert (used, line, loaded) == (True, "the weights start from b.pt", [True])


def test_a_found_checkpoint_that_does_not_fit_is_noted_and_left_alone() -> None:
    used, line = start_from_pretrained(Path("b.pt"), misfit, asked())
    assert not used
    assert "3 of 9 tensors match" in line
    used, line = start_from_pretrained(
        Path("b.pt"), lambda: pytest.fail("loaded"), asked(), differs=lambda: "other tokens"
    )
    assert not used
    assert "other tokens" in line


def test_a_named_checkpoint_that_does_not_fit_is_refused_with_the_reason() -> None:
    settings = asked(training__pretrained_checkpoint="b.pt")
    with pytest.raises(UsageError, match="3 of 9 tensors match") as caught:
        start_from_pretrained(Path("b.pt"), misfit, settings)
    assert (caught.value.where, caught.value.exit_code) == ("b.pt", 2)
