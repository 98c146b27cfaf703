"""Pickles of others, read without running anything they ask for.

A pickle is a small program that may call any function by name. The reader here knows a handful of
names, those that containers, NumPy arrays and Torch tensors are stored with, and puts its own
functions behind them, so that neither NumPy nor Torch rebuilds anything from unchecked numbers.
Every other name ends the reading.
"""

from __future__ import annotations

import gzip
import math
import pickle
import zlib
from collections import OrderedDict
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, ClassVar, NoReturn

from slt_cli.errors import InputError, SltError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

MAX_BYTES = 2**34
"""Most that a pickle may hold unpacked: 16 GiB."""
MAX_RATIO = 200
"""Most that gzip may have shrunk it by; landmarks shrink to a half, a bomb to a thousandth."""
_SMALL = 2**24  # below this size a ratio says nothing
_NUMBERS = "biuf"  # kinds of NumPy types that are plain numbers


class StoredArray:
    """An array or tensor of a pickle, as plain numbers in `array`."""

    array: npt.NDArray[Any]

    def __setstate__(self, state: Any) -> None:
        """Take NumPy's own description of an array: version, shape, type, order, bytes."""
        _, shape, dtype, is_fortran, data = state
        self.array = _numbers(data, dtype, shape, "F" if is_fortran else "C")


class _Dtype:
    """The type of an array: plain numbers of one to eight bytes, nothing else."""

    def __init__(self, code: str, *_: object) -> None:
        self._code = code.lstrip("<>|=")
        self._order = "<"

    def __setstate__(self, state: Any) -> None:
        if any(part is not None for part in state[2:5]):
            raise pickle.UnpicklingError("an array of records")
        self._order = state[1] if state[1] in ("<", ">") else "<"

    def plain(self) -> np.dtype[Any]:
        """The type. Raises `UnpicklingError` for Python objects, texts and records."""
        import numpy as np

        if self._code[:1] not in _NUMBERS or self._code[1:] not in ("1", "2", "4", "8"):
            raise pickle.UnpicklingError(f"an array of type {self._code!r}")
        return np.dtype(self._order + self._code)


def read_pickle(path: Path) -> Any:
    """What a pickle holds, plain or compressed with gzip: dicts, lists, texts, numbers.

    Arrays and tensors come as `StoredArray`. Raises `InputError` for a file that is damaged, that
    unpacks to more than `MAX_BYTES`, or that asks for anything but data, naming what it asked for;
    nothing in it is executed.
    """
    try:
        with path.open("rb") as handle:
            return _Reader(_opened(handle, path), path).load()
    except (SltError, MemoryError):
        raise
    except OSError as error:
        reason = error.strerror or "damaged or incomplete gzip"
        raise InputError(f"cannot be read ({reason})", where=str(path)) from error
    except (EOFError, zlib.error) as error:
        raise InputError("the pickle is cut or damaged", where=str(path), hint=_AGAIN) from error
    except Exception as error:  # a hostile or damaged program may fail in any way
        raise InputError(
            f"not a pickle that can be read ({type(error).__name__}: {_first_line(error)})",
            where=str(path), hint=_AGAIN,
        ) from error  # fmt: skip


def looks_pickled(path: Path) -> bool:
    """Whether a file begins like a pickle of protocol 2 or later, compressed or not."""
    try:
        with path.open("rb") as handle:
            head = handle.read(2)
            if head == b"\x1f\x8b":
                handle.seek(0)
                head = gzip.GzipFile(fileobj=handle).read(2)
    except (OSError, EOFError, zlib.error):
        return False
    return head[:1] == b"\x80" and head[1:] in (b"\x02", b"\x03", b"\x04", b"\x05")


_AGAIN = "download or copy the file again"


class _Capped:
    """A file that refuses to give more than `limit` bytes, whatever length it is asked for."""

    def __init__(self, handle: IO[bytes], limit: int, path: Path) -> None:
        self._handle = handle
        self._left = limit
        self._path = path

    def read(self, count: int = -1) -> bytes:
        """The next `count` bytes."""
        if not 0 <= count <= self._left:
            self._refuse()
        self._left -= count
        return self._handle.read(count)

    def readline(self) -> bytes:
        """The rest of the line."""
        line = self._handle.readline(self._left + 1)
        if len(line) > self._left:
            self._refuse()
        self._left -= len(line)
        return line

    def _refuse(self) -> NoReturn:
        raise InputError(
            "the pickle is cut, or unpacks to far more than landmarks of its size could",
            where=str(self._path), hint=_AGAIN,
        )  # fmt: skip


def _opened(handle: IO[bytes], path: Path) -> _Capped:
    size = path.stat().st_size
    is_gzip = handle.read(2) == b"\x1f\x8b"
    handle.seek(0)
    if not is_gzip:
        return _Capped(handle, min(size, MAX_BYTES), path)
    unpacked: Any = gzip.GzipFile(fileobj=handle)
    return _Capped(unpacked, min(max(_SMALL, MAX_RATIO * size), MAX_BYTES), path)


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), "")[:120]


def _numbers(data: Any, dtype: Any, shape: Any, order: Any) -> npt.NDArray[Any]:
    """An array of its own memory from its bytes; they must be exactly as many as it needs."""
    import numpy as np

    if not isinstance(dtype, _Dtype):
        raise pickle.UnpicklingError("an array without a type")
    raw = data.encode("latin-1") if isinstance(data, str) else bytes(data)  # Python 2 wrote texts
    flat = np.frombuffer(raw, dtype.plain())
    array: npt.NDArray[Any] = flat.reshape(tuple(shape), order=order)
    return array.astype(flat.dtype.newbyteorder("="), order="C")


def _reconstruct(*_: object) -> StoredArray:
    """NumPy's empty array, which is filled by the state that follows."""
    return StoredArray()


def _from_buffer(data: Any, dtype: Any, shape: Any, order: str) -> StoredArray:
    """NumPy's array of protocol 5."""
    stored = StoredArray()
    stored.array = _numbers(data, dtype, shape, order)
    return stored


def _scalar(dtype: Any, data: Any) -> Any:
    """NumPy's single number, as one of Python."""
    return _numbers(data, dtype, (1,), "C")[0].item()


def _encode(text: str, encoding: str) -> bytes:
    """How protocol 2 stores bytes."""
    if encoding not in ("latin1", "latin-1"):
        raise pickle.UnpicklingError(f"bytes as {encoding!r}")
    return text.encode("latin-1")


def _no_bytes() -> bytes:
    """How protocol 2 stores no bytes: by calling `bytes` without anything."""
    return b""


def _storage(data: bytes) -> npt.NDArray[Any]:
    """The numbers of a tensor, which Torch packs in a file inside the pickle."""
    import torch

    storage = torch.load(BytesIO(data), map_location="cpu", weights_only=True)
    flat = torch.empty(0, dtype=storage.dtype).set_(storage)
    array: npt.NDArray[Any] = flat.numpy()
    return array


def _tensor(storage: Any, offset: int, size: Any, stride: Any, *_: object) -> StoredArray:
    """A tensor's view of its numbers; there cannot be more than are stored."""
    import numpy as np

    stored = StoredArray()
    if 0 in size:
        stored.array = np.zeros(tuple(size), storage.dtype)
        return stored
    if math.prod(size) > len(storage):
        raise pickle.UnpicklingError("a tensor larger than its storage")
    index = np.array(offset)
    for count, step in zip(size, stride, strict=True):
        index = index[..., None] + np.arange(count) * step
    if index.size and not 0 <= index.min() <= index.max() < len(storage):
        raise pickle.UnpicklingError("a tensor outside its storage")
    stored.array = storage[index]
    return stored


_ALLOWED: dict[tuple[str, str], Callable[..., Any]] = {
    ("collections", "OrderedDict"): OrderedDict,
    ("_codecs", "encode"): _encode,
    ("__builtin__", "bytes"): _no_bytes,
    ("builtins", "bytes"): _no_bytes,
    ("numpy", "dtype"): _Dtype,
    ("numpy", "ndarray"): StoredArray,
    ("torch._utils", "_rebuild_tensor_v2"): _tensor,
    ("torch.storage", "_load_from_bytes"): _storage,
    **{
        (f"numpy.{core}.{module}", name): function
        for core in ("core", "_core")
        for module, name, function in (
            ("multiarray", "_reconstruct", _reconstruct),
            ("multiarray", "scalar", _scalar),
            ("numeric", "_frombuffer", _from_buffer),
        )
    },
}


class _Reader(pickle._Unpickler):
    """Python's own reader in Python: its memory follows the file, whatever numbers that names."""

    stack: list[Any]
    dispatch: ClassVar[Any] = dict(pickle._Unpickler.dispatch)

    def __init__(self, file: _Capped, path: Path) -> None:
        super().__init__(file, encoding="latin1")
        self._path = path

    def find_class(self, module: str, name: str) -> Callable[..., Any]:
        """The function behind a name, if it is one of the few that are needed for data."""
        if (module, name) not in _ALLOWED:
            raise InputError(
                f"refused: the pickle asks for {module}.{name}, which is not data. Nothing in it "
                "was executed; there is no unsafe fallback.",
                where=str(self._path), hint="store the arrays as .npz, or the clips as .pose",
            )  # fmt: skip
        return _ALLOWED[module, name]

    def load_build(self) -> None:
        """Give state to arrays and their types only: to a function it would be set as attribute."""
        state = self.stack.pop()
        if not isinstance(self.stack[-1], StoredArray | _Dtype):
            raise pickle.UnpicklingError("state for something that is no array")
        self.stack[-1].__setstate__(state)

    dispatch[pickle.BUILD[0]] = load_build
