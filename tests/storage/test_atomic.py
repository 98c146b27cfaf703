"""Files are whole or absent: content, order of the disk operations, sweeping, line files."""

import json
import os
import socket
import stat
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from slt_cli.storage import atomic


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def dead_pid() -> int:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_written_bytes_are_exactly_the_bytes_given_and_nothing_else_is_left(tmp_path):
    path = tmp_path / "deep" / "er" / "file.bin"
    atomic.write_bytes(path, bytes(range(256)))
    assert path.read_bytes() == bytes(range(256))
    assert names(path.parent) == ["file.bin"]


def test_text_is_utf8_with_the_line_ends_given(tmp_path):
    atomic.write_text(tmp_path / "a.txt", "ñandú\nβ\r\n")
    assert (tmp_path / "a.txt").read_bytes() == b"\xc3\xb1and\xc3\xba\n\xce\xb2\r\n"


def test_new_files_follow_the_umask_as_any_other_file_does(tmp_path):
    old = os.umask(0o027)
    try:
        atomic.write_text(tmp_path / "a.txt", "x")
    finally:
        os.umask(old)
    assert stat.S_IMODE((tmp_path / "a.txt").stat().st_mode) == 0o640


def test_the_content_reaches_the_disk_before_the_name_does(tmp_path, monkeypatch):
    steps = []
    fsync, replace = os.fsync, Path.replace

    def kind_and_size(fd):
        status = os.fstat(fd)
        return "folder" if stat.S_ISDIR(status.st_mode) else f"{status.st_size} bytes"

    def spy_fsync(fd):
        steps.append(f"fsync {kind_and_size(fd)}")
        fsync(fd)

    def spy_replace(self, target):
        steps.append(f"rename to {target.name}")
        assert self.parent == target.parent  # a rename is atomic within one file system only
        return replace(self, target)

    monkeypatch.setattr(os, "fsync", spy_fsync)
    monkeypatch.setattr(Path, "replace", spy_replace)
    atomic.write_bytes(tmp_path / "a.bin", b"12345")
    assert steps == ["fsync 5 bytes", "rename to a.bin", "fsync folder"]


def test_a_failing_writer_leaves_the_old_file_and_no_other(tmp_path):
    path = tmp_path / "video.mp4"
    path.write_bytes(b"old")

    def failing_writer():
        with atomic.atomic_path(path) as temporary:
            temporary.write_bytes(b"half")
            assert temporary.suffix == ".mp4"  # libraries read the format from the name
            assert path.read_bytes() == b"old"
            raise KeyError

    with pytest.raises(KeyError):
        failing_writer()
    assert path.read_bytes() == b"old"
    assert names(tmp_path) == ["video.mp4"]


def test_a_writer_that_writes_nothing_is_an_error_not_an_empty_file(tmp_path):
    with pytest.raises(FileNotFoundError), atomic.atomic_path(tmp_path / "a.onnx"):
        pass
    assert names(tmp_path) == []


def test_names_at_the_limit_of_the_file_system_can_be_written(tmp_path):
    path = tmp_path / ("n" * 251 + ".npz")
    atomic.write_bytes(path, b"x")
    assert path.read_bytes() == b"x"


def test_two_open_writers_of_one_process_do_not_share_a_temporary_file(tmp_path):
    path = tmp_path / "a.txt"
    with atomic.atomic_path(path) as first, atomic.atomic_path(path) as second:
        assert first != second
        first.write_text("first")
        second.write_text("second")
    assert path.read_text() == "first"  # the one that ended last


def test_temporary_files_of_dead_processes_are_swept_and_those_of_living_ones_are_not(tmp_path):
    host = socket.gethostname()
    dead = tmp_path / f".slt-{host}-{dead_pid()}-0.npz"
    living = tmp_path / f".slt-{host}-{os.getppid()}-0.npz"
    elsewhere = tmp_path / f".slt-other{host}-{dead_pid()}-0.npz"
    for path in (dead, living, elsewhere):
        path.write_bytes(b"")
    atomic.write_bytes(tmp_path / "a.npz", b"")
    assert names(tmp_path) == sorted([living.name, elsewhere.name, "a.npz"])


def test_staging_sweeps_dead_folders_and_removes_its_own_whatever_happens(tmp_path):
    dead = tmp_path / f".slt-{socket.gethostname()}-{dead_pid()}-stage-clip"
    dead.mkdir()
    (dead / "000000.jpg").write_bytes(b"x")

    def failing_writer():
        with atomic.staging_dir(tmp_path, "clip") as stage:
            assert names(tmp_path) == [stage.name]
            atomic.stage_bytes(stage / "000000.jpg", b"half a clip")
            raise KeyError

    with pytest.raises(KeyError):
        failing_writer()
    assert names(tmp_path) == []


def test_a_staged_file_moves_to_its_final_name(tmp_path):
    with atomic.staging_dir(tmp_path, "clip") as stage:
        atomic.stage_bytes(stage / "a.jpg", b"jpeg")
        atomic.move_into(stage / "a.jpg", tmp_path / "face" / "a.jpg")
    assert (tmp_path / "face" / "a.jpg").read_bytes() == b"jpeg"
    assert names(tmp_path) == ["face"]


def test_replacing_a_folder_does_not_merge_it(tmp_path):
    (tmp_path / "bundle").mkdir()
    (tmp_path / "bundle" / "old.onnx").write_bytes(b"old")
    with atomic.staging_dir(tmp_path, "bundle") as stage:
        atomic.stage_bytes(stage / "new.onnx", b"new")
        atomic.replace_dir(stage, tmp_path / "bundle")
    assert names(tmp_path) == ["bundle"]
    assert names(tmp_path / "bundle") == ["new.onnx"]


def test_json_refuses_nan_and_keeps_the_old_file(tmp_path):
    atomic.write_json(tmp_path / "a.json", {"text": "ñ", "value": 1.5})
    with pytest.raises(ValueError, match="JSON"):
        atomic.write_json(tmp_path / "a.json", {"value": float("nan")})
    assert json.loads((tmp_path / "a.json").read_text("utf-8")) == {"text": "ñ", "value": 1.5}


def test_file_names_that_are_not_utf8_survive_json_both_ways(tmp_path):
    name = os.fsdecode(b"clip-\xff.mp4")
    atomic.write_json(tmp_path / "a.json", {"file": name})
    atomic.append_jsonl(tmp_path / "a.jsonl", {"file": name})
    assert json.loads((tmp_path / "a.json").read_text("utf-8"))["file"] == name
    assert atomic.read_jsonl(tmp_path / "a.jsonl") == [{"file": name}]


def test_npz_bytes_depend_on_the_content_only(tmp_path, monkeypatch):
    arrays = {
        "keypoints": np.linspace(0, 1, 30, dtype=np.float32).reshape(5, 2, 3),
        "valid": np.eye(5, 2, dtype=bool),
        "layout": np.array("mediapipe_holistic_543"),
    }
    atomic.write_npz(tmp_path / "a.npz", arrays)
    monkeypatch.setattr("time.time", lambda: 2e9)
    in_other_memory_order = {name: array.copy("F") for name, array in arrays.items()}
    atomic.write_npz(tmp_path / "b.npz", in_other_memory_order)
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    with np.load(tmp_path / "a.npz") as loaded:
        assert set(loaded) == set(arrays)
        for name, array in arrays.items():
            assert loaded[name].dtype == array.dtype
            np.testing.assert_array_equal(loaded[name], array)


def test_object_arrays_are_refused_and_nothing_is_written(tmp_path):
    with pytest.raises(ValueError, match=r"[Oo]bject"):
        atomic.write_npz(tmp_path / "a.npz", {"x": np.array([{"a": 1}], dtype=object)})
    assert names(tmp_path) == []


def test_lines_are_appended_and_read_back(tmp_path):
    path = tmp_path / "logs" / "metrics.jsonl"
    records = [{"epoch": 1, "bleu": None}, {"epoch": 2, "bleu": 3.5}]
    for record in records:
        atomic.append_jsonl(path, record)
    assert atomic.read_jsonl(path) == records
    assert atomic.read_jsonl(tmp_path / "absent.jsonl") == []


@pytest.mark.parametrize("keep", range(1, 18))
def test_a_line_torn_anywhere_costs_that_line_only(tmp_path, keep):
    path = tmp_path / "a.jsonl"
    line = '{"text": "ñandú"}'.encode()
    path.write_bytes(b'{"n": 1}\n' + line[:keep])
    assert atomic.read_jsonl(path) == [{"n": 1}]
    atomic.append_jsonl(path, {"n": 2})
    assert atomic.read_jsonl(path) == [{"n": 1}, {"n": 2}]
    assert path.read_bytes().endswith(b'\n{"n": 2}\n')


def test_unicode_line_separators_inside_a_text_do_not_tear_the_line(tmp_path):
    text = "one\u2028two\u0085three\x0bfour"
    atomic.append_jsonl(tmp_path / "a.jsonl", {"text": text})
    assert atomic.read_jsonl(tmp_path / "a.jsonl") == [{"text": text}]
