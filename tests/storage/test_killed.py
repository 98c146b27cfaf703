"""Killed by SIGKILL at every step of every writer: the file is old or new, and a rerun is clean."""

import json
import multiprocessing
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from slt_cli.storage import atomic
from slt_cli.storage.atomic import read_jsonl, staging_dir

PRELUDE = """
import sys
from pathlib import Path
from slt_cli.storage import atomic
folder = Path(sys.argv[1])
"""
JSON = "atomic.write_json(folder / 'a.json', {'state': 'new'})"
NPZ = "import numpy as np; atomic.write_npz(folder / 'a.npz', {'x': np.ones(1000)})"
LINES = "atomic.append_jsonl(folder / 'a.jsonl', {'state': 'new'})"
STAGED = """
with atomic.staging_dir(folder, "clip") as stage:
    for name in ("a.jpg", "b.jpg"):
        atomic.stage_bytes(stage / name, b"new")
        atomic.move_into(stage / name, folder / name)
"""
FOLDER = """
with atomic.staging_dir(folder, "bundle") as stage:
    for name in ("encoder", "decoder"):
        atomic.write_text(stage / name, "new")
    atomic.replace_dir(stage, folder / "bundle")
"""


def run(body: str, folder: Path, kill_at: int = 0) -> int:
    environ = {**os.environ, "SLT_TEST_KILL_AT": str(kill_at)}
    command = [sys.executable, "-c", PRELUDE + body, str(folder)]
    return subprocess.run(command, env=environ, check=False, timeout=60).returncode


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def states(
    body: str, prepare, state_of, tmp_path: Path, expected_names: list[str], run=run
) -> list[str]:
    """State seen after a kill at each step in turn, until the writer finishes."""
    seen = []
    for step in range(1, 100):
        folder = tmp_path / str(step)
        folder.mkdir()
        prepare(folder)
        code = run(body, folder, kill_at=step)
        seen.append(state_of(folder))
        if code == 0:
            return seen
        assert code == -signal.SIGKILL
        assert run(body, folder) == 0
        assert state_of(folder) == "new"
        assert names(folder) == expected_names
    raise AssertionError("the writer never finished")


def check(seen: list[str]) -> None:
    """Old until some step, new from there on, and at least one kill on either side."""
    switch = seen.index("new")
    assert seen == ["old"] * switch + ["new"] * (len(seen) - switch)
    assert switch >= 1
    assert len(seen) >= 3


def test_json(tmp_path):
    def prepare(folder):
        (folder / "a.json").write_text('{"state": "old"}')

    def state_of(folder):
        return json.loads((folder / "a.json").read_text())["state"]

    check(states(JSON, prepare, state_of, tmp_path, ["a.json"]))


def test_npz(tmp_path):
    def prepare(folder):
        np.savez(folder / "a.npz", x=np.zeros(10))

    def state_of(folder):
        with np.load(folder / "a.npz") as arrays:
            return {10: "old", 1000: "new"}[len(arrays["x"])]

    check(states(NPZ, prepare, state_of, tmp_path, ["a.npz"]))


def test_appended_line(tmp_path):
    def prepare(folder):
        (folder / "a.jsonl").write_text('{"state": "old"}\n')

    def state_of(folder):
        return read_jsonl(folder / "a.jsonl")[-1]["state"]

    check(states(LINES, prepare, state_of, tmp_path, ["a.jsonl"]))


def test_staged_files(tmp_path):
    """Each file is whole; together they are new from the last move on."""

    def prepare(folder):
        for name in ("a.jpg", "b.jpg"):
            (folder / name).write_bytes(b"old")

    def state_of(folder):
        both = {(folder / name).read_bytes() for name in ("a.jpg", "b.jpg")}
        assert both <= {b"old", b"new"}
        return "new" if both == {b"new"} else "old"

    check(states(STAGED, prepare, state_of, tmp_path, ["a.jpg", "b.jpg"]))


def test_replaced_folder(tmp_path):
    """Between the two renames the folder is aside; whoever stages next puts it back."""

    def prepare(folder):
        (folder / "bundle").mkdir()
        for name in ("encoder", "decoder"):
            (folder / "bundle" / name).write_text("old")

    def state_of(folder):
        with staging_dir(folder, "anything"):
            pass
        found = {(folder / "bundle" / name).read_text() for name in ("encoder", "decoder")}
        assert len(found) == 1
        return found.pop()

    check(states(FOLDER, prepare, state_of, tmp_path, ["bundle"]))


def test_checkpoint(tmp_path):
    import torch

    from slt_cli.storage.checkpoint import load_checkpoint, save_checkpoint

    def prepare(folder):
        save_checkpoint(folder / "last.pt", {"weight": torch.zeros(1000)})

    def state_of(folder):
        weight = load_checkpoint(folder / "last.pt")["weight"]
        assert len(set(weight.tolist())) == 1
        return {0.0: "old", 1.0: "new"}[weight[0].item()]

    def save(folder, kill_at):
        atomic._steps_until_kill = kill_at  # as the variable would; a fresh torch takes seconds
        atomic._sweep_once.cache_clear()  # as in a fresh process
        save_checkpoint(folder / "last.pt", {"weight": torch.ones(1000)})

    def run(body, folder, kill_at=0):
        process = multiprocessing.get_context("fork").Process(target=save, args=(folder, kill_at))
        process.start()
        process.join(60)
        return process.exitcode

    check(states("", prepare, state_of, tmp_path, ["last.pt"], run))


@pytest.mark.parametrize("value", ["", "0"])
def test_without_the_variable_nothing_is_killed(tmp_path, value):
    environ = {**os.environ, "SLT_TEST_KILL_AT": value}
    command = [sys.executable, "-c", PRELUDE + JSON, str(tmp_path)]
    assert subprocess.run(command, env=environ, check=False).returncode == 0
