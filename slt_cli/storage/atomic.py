"""Files that are either whole or absent: write to a temporary name, fsync, rename."""

from __future__ import annotations

import errno
import functools
import glob
import itertools
import json
import math
import os
import shutil
import signal
import socket
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from slt_cli.errors import OutOfResources

if TYPE_CHECKING:
    import numpy.typing as npt

_NO_SPACE = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
# torch.save and safetensors report a full disk in words only.
_NO_SPACE_WORDS = ("unexpected pos", "No space left", "File too large", "requested and")
_ZIP64_FROM = 2**31
_LEVEL = 1  # of compression: landmarks shrink to 64 %, and to 63 % at three times the work
_numbers = itertools.count()
_steps_until_kill = int(os.environ.get("SLT_TEST_KILL_AT") or 0)


def _kill_point() -> None:
    """Die by SIGKILL at the n-th call when a test asked for it: nothing may be half-written."""
    global _steps_until_kill
    if _steps_until_kill:
        _steps_until_kill -= 1
        if _steps_until_kill == 0:
            os.kill(os.getpid(), signal.SIGKILL)


@contextmanager
def disk_errors(path: Path) -> Iterator[None]:
    """Turn every form of "disk full" into one `OutOfResources` that names the path."""
    try:
        yield
    except (OSError, RuntimeError) as error:
        full = isinstance(error, OSError) and error.errno in _NO_SPACE
        if not full and not any(words in str(error) for words in _NO_SPACE_WORDS):
            raise
        free = shutil.disk_usage(_existing_parent(path)).free
        raise OutOfResources(
            f"no room to write {path.name} ({free / 2**20:.0f} MiB free)",
            where=str(path),
            hint="free some space or choose another output folder, then run the same command again",
        ) from error


def _existing_parent(path: Path) -> Path:
    return next(p for p in (path, *path.absolute().parents) if p.is_dir())


def _fsync_dir(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _mine() -> str:
    """Prefix of this machine's temporary names; the process id follows."""
    return f".slt-{socket.gethostname()}-"


def _sweep(folder: Path) -> None:
    """Remove what killed processes of this machine left in `folder`.

    Other machines may be alive and writing to the same file system: theirs is left alone. A folder
    that `replace_dir` had moved aside goes back when its replacement never arrived.
    """
    for stray in folder.glob(glob.escape(_mine()) + "*"):
        pid, _, rest = stray.name.removeprefix(_mine()).partition("-")
        if not pid.isdigit() or _alive(int(pid)):
            continue
        replaced = folder / rest.removeprefix("old-")
        if rest.startswith("old-") and not replaced.exists():
            stray.rename(replaced)
        elif stray.is_dir():
            shutil.rmtree(stray, ignore_errors=True)
        else:
            stray.unlink(missing_ok=True)


_sweep_once = functools.cache(_sweep)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; on success it replaces `path`, on failure it vanishes.

    For libraries that insist on opening their own file (video containers, ONNX). The temporary
    name keeps the suffix, which such libraries read the format from.
    """
    with disk_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    _sweep_once(path.parent.absolute())
    temporary = path.with_name(f"{_mine()}{os.getpid()}-{next(_numbers)}{path.suffix}")
    try:
        with disk_errors(path):
            _kill_point()
            yield temporary
            with temporary.open("rb+") as handle:
                os.fsync(handle.fileno())
            _kill_point()
            temporary.replace(path)
            _kill_point()
            _fsync_dir(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def write_bytes(path: Path, data: bytes) -> None:
    """Write `data` to `path`, whole or not at all. Raises `OutOfResources` on a full disk."""
    with atomic_path(path) as temporary:
        temporary.write_bytes(data)


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text with Unix line ends, whole or not at all."""
    write_bytes(path, text.encode("utf-8", "surrogateescape"))


def write_json(path: Path, value: Any) -> None:
    """Write indented JSON, whole or not at all. NaN is refused, as strict readers would."""
    write_bytes(path, _json_bytes(value, indent=2))


def _json_bytes(value: Any, indent: int | None = None) -> bytes:
    """UTF-8 JSON and a line end; bytes of a file name that are not UTF-8 become \\udcXX escapes."""
    text = json.dumps(value, indent=indent, ensure_ascii=False, allow_nan=False) + "\n"
    return text.encode("utf-8", "backslashreplace")


@dataclass(frozen=True)
class Blocks:
    """An array that is too large to hold: `parts()` gives it bit by bit along its first axis."""

    shape: tuple[int, ...]
    dtype: str
    parts: Callable[[], Iterable[npt.NDArray[Any]]]


def write_npz(path: Path, arrays: Mapping[str, npt.NDArray[Any] | Blocks]) -> None:
    """Write arrays as a compressed `.npz` whose bytes depend on the content only.

    Raises ValueError for object arrays, which could only be stored by pickling them.
    """
    with (
        atomic_path(path) as temporary,
        zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED, compresslevel=_LEVEL) as archive,
    ):
        for name, array in arrays.items():
            _write_member(archive, name, array)


def _write_member(archive: zipfile.ZipFile, name: str, array: npt.NDArray[Any] | Blocks) -> None:
    import numpy as np

    blocks = array if isinstance(array, Blocks) else _one_block(np.asarray(array, order="C"))
    dtype = np.dtype(blocks.dtype)
    if dtype.hasobject:
        raise ValueError(f"{name} holds Python objects, which no .npz may hold")
    size = math.prod(blocks.shape) * dtype.itemsize
    header = {"descr": dtype.str, "fortran_order": False, "shape": blocks.shape}
    # By its name, not as a ZipInfo: that would compress at the default level. The date is 1980.
    with archive.open(f"{name}.npy", "w", force_zip64=size >= _ZIP64_FROM) as member:
        np.lib.format.write_array_header_1_0(member, header)  # type: ignore[no-untyped-call]
        for part in blocks.parts():
            member.write(np.ascontiguousarray(part, dtype).tobytes())


def _one_block(array: npt.NDArray[Any]) -> Blocks:
    return Blocks(array.shape, array.dtype.str, lambda: [array])


def append_jsonl(path: Path, record: Mapping[str, Any]) -> None:
    """Append one JSON line and flush it to disk. A torn last line is closed first."""
    line = _json_bytes(record)
    with disk_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("ab+") as handle:
            if handle.tell():
                handle.seek(-1, os.SEEK_END)
                if handle.read(1) != b"\n":
                    handle.write(b"\n")
            _kill_point()
            handle.write(line)
            handle.flush()
            os.fsync(handle.fileno())
            _kill_point()


def read_jsonl(path: Path) -> list[dict[str, Any]]:
    """Read the complete lines of a JSON-lines file; a line torn by a crash is left out."""
    if not path.exists():
        return []
    records = []
    for line in path.read_bytes().split(b"\n"):  # splitlines() would also split at U+2028 in a text
        try:
            records.append(json.loads(line))
        except ValueError:
            continue
    return records


@contextmanager
def staging_dir(parent: Path, name: str) -> Iterator[Path]:
    """Yield an empty hidden folder inside `parent` that is removed at the end, come what may.

    Folders left behind by processes that no longer live are swept first.
    """
    with disk_errors(parent):
        parent.mkdir(parents=True, exist_ok=True)
    _sweep(parent)
    stage = parent / f"{_mine()}{os.getpid()}-stage-{name}"
    shutil.rmtree(stage, ignore_errors=True)
    stage.mkdir()
    try:
        with disk_errors(parent):
            _kill_point()
            yield stage
    finally:
        shutil.rmtree(stage, ignore_errors=True)


def stage_arrays(folder: Path, arrays: Mapping[str, npt.NDArray[Any]]) -> None:
    """Write each array as `<name>.npy` into a folder of a staging folder."""
    import numpy as np

    folder.mkdir(parents=True, exist_ok=True)
    for name, array in arrays.items():
        np.save(folder / name, array, allow_pickle=False)


def stage_stream(path: Path, stream: BinaryIO) -> None:
    """Copy what a stream still holds into a file of a staging folder."""
    with path.open("wb") as handle:
        shutil.copyfileobj(stream, handle, 1 << 20)


def stage_bytes(path: Path, data: bytes) -> None:
    """Write a file inside a staging folder, where atomicity comes from `move_into`."""
    path.write_bytes(data)


def move_into(staged: Path, final: Path) -> None:
    """Move a finished staged file to its final name on the same file system, replacing it."""
    _kill_point()
    try:
        staged.replace(final)
    except FileNotFoundError:  # asking first would cost more than the move
        final.parent.mkdir(parents=True, exist_ok=True)
        staged.replace(final)


def replace_dir(stage: Path, final: Path) -> None:
    """Put a finished staging folder at `final`; an older folder there is replaced, not merged.

    A process killed in between leaves the older folder aside; the next `staging_dir` puts it back.
    """
    old = final.with_name(f"{_mine()}{os.getpid()}-old-{final.name}")
    _kill_point()
    if final.exists():
        final.rename(old)
        _kill_point()
    stage.rename(final)
    _kill_point()
    _fsync_dir(final.parent)
    shutil.rmtree(old, ignore_errors=True)
