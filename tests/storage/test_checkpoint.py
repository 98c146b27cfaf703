"""Checkpoints: the same values back, or an error; never code from the file."""

import os
import pickle
import zipfile
from pathlib import Path

import pytest
import torch

from slt_cli.errors import InputError
from slt_cli.storage.checkpoint import SCHEMA, load_checkpoint, save_checkpoint


@pytest.fixture
def payload() -> dict:
    generator = torch.Generator().manual_seed(0)
    return {
        "model": {"weight": torch.randn(3, 4, generator=generator), "steps": torch.tensor(7)},
        "rng": generator.get_state(),
        "settings": {"model": {"streams": ["keypoints"], "dropout": 0.1}, "name": "ñandú"},
        "epoch": 3,
        "best": None,
    }


def test_everything_comes_back_bit_for_bit(tmp_path, payload):
    save_checkpoint(tmp_path / "last.pt", payload)
    loaded = load_checkpoint(tmp_path / "last.pt")
    assert loaded.pop("schema") == SCHEMA
    assert torch.equal(loaded["model"].pop("weight"), payload["model"].pop("weight"))
    assert torch.equal(loaded["model"].pop("steps"), payload["model"].pop("steps"))
    assert torch.equal(loaded.pop("rng"), payload.pop("rng"))
    assert loaded == payload
    assert [p.name for p in tmp_path.iterdir()] == ["last.pt"]


def test_a_plain_torch_load_reads_it_too(tmp_path, payload):
    save_checkpoint(tmp_path / "last.pt", payload)
    assert torch.load(tmp_path / "last.pt", weights_only=True)["epoch"] == 3


def test_a_missing_checkpoint_is_bad_input(tmp_path):
    with pytest.raises(InputError, match="not found"):
        load_checkpoint(tmp_path / "last.pt")


def test_a_file_cut_anywhere_is_refused(tmp_path, payload):
    save_checkpoint(tmp_path / "last.pt", payload)
    whole = (tmp_path / "last.pt").read_bytes()
    for length in [0, 1, *range(10, len(whole) - 1, 97), len(whole) - 1]:
        (tmp_path / "cut.pt").write_bytes(whole[:length])
        with pytest.raises(InputError, match="damaged or incomplete"):
            load_checkpoint(tmp_path / "cut.pt")


def test_a_flipped_byte_in_a_tensor_is_refused_although_torch_accepts_it(tmp_path):
    save_checkpoint(tmp_path / "last.pt", {"weight": torch.arange(64, dtype=torch.float32)})
    whole = bytearray((tmp_path / "last.pt").read_bytes())
    at = whole.index(torch.arange(64, dtype=torch.float32).numpy().tobytes()) + 17
    whole[at] ^= 1
    (tmp_path / "last.pt").write_bytes(whole)
    silently = torch.load(tmp_path / "last.pt", weights_only=True)["weight"]
    assert not torch.equal(silently, torch.arange(64, dtype=torch.float32))
    with pytest.raises(InputError, match="checksum"):
        load_checkpoint(tmp_path / "last.pt")


def test_a_flipped_byte_anywhere_is_refused_or_harmless(tmp_path):
    """Bytes of the zip's own tables have no checksum: there the values must still be right."""
    weight = torch.arange(8, dtype=torch.float32)
    save_checkpoint(tmp_path / "last.pt", {"weight": weight})
    whole = (tmp_path / "last.pt").read_bytes()
    refused = 0
    for at in range(0, len(whole), 3):
        damaged = bytearray(whole)
        damaged[at] ^= 0xFF
        (tmp_path / "bad.pt").write_bytes(damaged)
        try:
            loaded = load_checkpoint(tmp_path / "bad.pt")
        except InputError:
            refused += 1
        else:
            assert torch.equal(loaded["weight"], weight)
            assert loaded["schema"] == SCHEMA
    assert refused > 50


@pytest.mark.parametrize("content", [b"", b"<!DOCTYPE html><title>404</title>", b"\x80\x04K\x01."])
def test_other_files_named_pt_are_refused(tmp_path, content):
    (tmp_path / "last.pt").write_bytes(content)
    with pytest.raises(InputError):
        load_checkpoint(tmp_path / "last.pt")


class _Payload:
    def __init__(self, canary: Path) -> None:
        self.canary = canary

    def __reduce__(self):
        return (os.system, (f"touch {self.canary}",))


def test_code_in_a_checkpoint_is_refused_named_and_not_run(tmp_path):
    canary = tmp_path / "canary"
    torch.save({"schema": 1, "model": _Payload(canary)}, tmp_path / "evil.pt")
    with pytest.raises(InputError) as caught:
        load_checkpoint(tmp_path / "evil.pt")
    assert not canary.exists()
    assert "system" in caught.value.message
    assert "no unsafe fallback" in caught.value.message
    pickle.loads(pickle.dumps(_Payload(canary)))  # the payload itself works: the test can fail
    assert canary.exists()


def test_a_bare_pickle_is_not_run_either(tmp_path):
    (tmp_path / "evil.pt").write_bytes(pickle.dumps(_Payload(tmp_path / "canary")))
    with pytest.raises(InputError):
        load_checkpoint(tmp_path / "evil.pt")
    assert not (tmp_path / "canary").exists()


def test_a_zip_that_is_no_checkpoint_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "last.pt", "w") as archive:
        archive.writestr("readme.txt", "hello")
    with pytest.raises(InputError):
        load_checkpoint(tmp_path / "last.pt")


def test_a_list_is_not_a_checkpoint(tmp_path):
    torch.save([1, 2], tmp_path / "last.pt")
    with pytest.raises(InputError, match="no mapping"):
        load_checkpoint(tmp_path / "last.pt")


@pytest.mark.parametrize("schema", [SCHEMA + 1, "two", None])
def test_a_schema_this_version_does_not_know_is_refused(tmp_path, schema):
    torch.save({"schema": schema}, tmp_path / "last.pt")
    with pytest.raises(InputError, match=f"newer slt .schema {schema}") as caught:
        load_checkpoint(tmp_path / "last.pt")
    assert caught.value.hint == "upgrade slt"


def test_weights_published_without_a_schema_are_read(tmp_path):
    torch.save({"weight": torch.ones(2)}, tmp_path / "foreign.pth")
    assert torch.equal(load_checkpoint(tmp_path / "foreign.pth")["weight"], torch.ones(2))


def test_a_checkpoint_that_does_not_verify_never_replaces_the_good_one(tmp_path, monkeypatch):
    save_checkpoint(tmp_path / "last.pt", {"epoch": 1})

    def torn_save(value, path):
        Path(path).write_bytes(b"PK half a zip")

    monkeypatch.setattr(torch, "save", torn_save)
    with pytest.raises(InputError):
        save_checkpoint(tmp_path / "last.pt", {"epoch": 2})
    assert load_checkpoint(tmp_path / "last.pt")["epoch"] == 1
    assert [p.name for p in tmp_path.iterdir()] == ["last.pt"]


def test_a_tensor_marked_as_a_folder_is_refused(tmp_path):
    """torch would return memory that nobody wrote."""
    save_checkpoint(tmp_path / "last.pt", {"weight": torch.arange(8, dtype=torch.float32)})
    data = bytearray((tmp_path / "last.pt").read_bytes())
    entry = data.rindex(b"/data/0") - data[: data.rindex(b"/data/0")][::-1].index(b"\2\1KP") - 4
    data[entry + 38] |= 0x10  # external attributes of the central directory's entry
    (tmp_path / "last.pt").write_bytes(data)
    with pytest.raises(InputError, match="data/0 fails its checksum"):
        load_checkpoint(tmp_path / "last.pt")
