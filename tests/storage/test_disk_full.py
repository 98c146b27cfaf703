"""A full disk is one error that names the file, exits 6 and leaves what was there."""

import errno
import subprocess
import sys
from pathlib import Path

import pytest

from slt_cli.errors import OutOfResources
from slt_cli.storage.atomic import disk_errors

LIMIT = 20_000
SCRIPT = """
import resource, sys
from pathlib import Path
from slt_cli.errors import SltError
from slt_cli.storage import atomic
path = Path(sys.argv[1])
{prepare}
resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))  # EFBIG: the code path of a full disk
try:
    {write}
except SltError as error:
    print(error.message, error.where, error.hint, sep="|")
    sys.exit(error.exit_code)
"""
WRITERS = {
    "bytes": ("", "atomic.write_bytes(path, b'x' * 100_000)"),
    "json": ("", "atomic.write_json(path, list(range(50_000)))"),
    "npz": (
        "import numpy as np; noise = np.random.default_rng(0).random(20_000)",
        "atomic.write_npz(path, {'x': noise})",
    ),
    "library": (
        "import numpy as np",
        "with atomic.atomic_path(path) as temporary: temporary.open('wb').write(bytes(100_000))",
    ),
    "numpy": (
        "import numpy as np",
        "with atomic.atomic_path(path) as it: np.save(it.open('wb'), np.zeros(20_000))",
    ),
    "checkpoint": (
        "import torch; from slt_cli.storage.checkpoint import save_checkpoint",
        "save_checkpoint(path, {'weight': torch.zeros(20_000)})",
    ),
    "staged": (
        "",
        "with atomic.staging_dir(path.parent, 'clip') as stage: "
        "atomic.stage_bytes(stage / 'a.jpg', b'x' * 100_000)",
    ),
}


def run(writer: str, path: Path) -> subprocess.CompletedProcess[str]:
    prepare, write = WRITERS[writer]
    script = SCRIPT.format(prepare=prepare, write=write, limit=LIMIT)
    command = [sys.executable, "-c", script, str(path)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


@pytest.mark.parametrize(
    ("writer", "existing"), [("bytes", False), *((writer, True) for writer in WRITERS)]
)
def test_exit_6_the_old_file_intact_and_no_stray_files(tmp_path, writer, existing):
    path = tmp_path / "result.pt"
    if existing:
        path.write_bytes(b"old")
    done = run(writer, path)
    assert done.returncode == 6, done.stderr
    message, where, hint = done.stdout.strip().split("|")
    assert "no room to write" in message
    assert "MiB free" in message
    assert Path(where) in {path, tmp_path}
    assert "free some space" in hint
    assert [p.read_bytes() for p in tmp_path.iterdir()] == ([b"old"] if existing else [])


def test_a_line_that_did_not_fit_is_repaired_by_the_next(tmp_path):
    from slt_cli.storage.atomic import append_jsonl, read_jsonl

    path = tmp_path / "a.jsonl"
    append_jsonl(path, {"n": 1})
    write = "atomic.append_jsonl(path, {'text': 'x' * 100_000})"
    script = SCRIPT.format(prepare="", write=write, limit=LIMIT)
    done = subprocess.run([sys.executable, "-c", script, str(path)], check=False)
    assert done.returncode == 6
    assert read_jsonl(path) == [{"n": 1}]
    append_jsonl(path, {"n": 2})
    assert read_jsonl(path) == [{"n": 1}, {"n": 2}]


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_every_number_for_a_full_disk_is_known(tmp_path, code):
    with pytest.raises(OutOfResources) as caught, disk_errors(tmp_path / "a" / "b.npz"):
        raise OSError(code, "no")
    assert caught.value.where == str(tmp_path / "a" / "b.npz")
    assert isinstance(caught.value.__cause__, OSError)


@pytest.mark.parametrize("error", [PermissionError(errno.EACCES, "no"), RuntimeError("shape")])
def test_other_errors_are_not_called_a_full_disk(tmp_path, error):
    with pytest.raises(type(error)), disk_errors(tmp_path / "b.npz"):
        raise error
