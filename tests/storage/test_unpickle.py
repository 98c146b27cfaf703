"""Pickles of others are read as data; nothing that they ask for is run."""

import gzip
import io
import os
import pickle
import subprocess
import sys
from collections import OrderedDict
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import torch

from slt_cli.errors import InputError
from slt_cli.storage import unpickle
from slt_cli.storage.unpickle import StoredArray, looks_pickled, read_pickle

PROTOCOLS = range(pickle.HIGHEST_PROTOCOL + 1)


@pytest.fixture
def read(tmp_path):
    """Write bytes to a file and read it."""

    def _read(data: bytes):
        path = tmp_path / "file.pkl"
        path.write_bytes(data)
        return read_pickle(path)

    return _read


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_plain_values_come_back_in_every_protocol(read, protocol):
    value = {
        "name": "clip-1", "text": "schön 天气", "n": 7, "x": 2.5, "yes": True, "none": None,
        "list": [1, [2, (3, 4)]], "bytes": b"\x00\xff", "ordered": OrderedDict(a=1), "big": 2**70,
    }  # fmt: skip
    assert read(pickle.dumps(value, protocol)) == value


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize(
    "array",
    [
        np.arange(24, dtype=np.float32).reshape(2, 4, 3),
        np.arange(6, dtype=np.float64).reshape(2, 3).T,
        np.array([[1, -2]], ">i4"),
        np.array([True, False]),
        np.zeros((0, 133, 3), np.float16),
        np.array(3.5),
    ],
    ids=["float32", "transposed", "big-endian", "bool", "empty", "no axis"],
)
def test_numpy_arrays_come_back_as_numbers(read, protocol, array):
    stored = read(pickle.dumps([array], protocol))[0]
    assert isinstance(stored, StoredArray)
    assert stored.array.dtype == array.dtype.newbyteorder("=")
    np.testing.assert_array_equal(stored.array, array)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_numpy_number_is_a_number(read, protocol):
    assert read(pickle.dumps(np.float32(0.25), protocol)) == 0.25


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize(
    "tensor",
    [
        torch.arange(24.0).reshape(2, 4, 3),
        torch.arange(24.0).reshape(2, 4, 3).permute(2, 0, 1),
        torch.arange(10, dtype=torch.int64)[3:9:2],
        torch.arange(4).half(),
        torch.zeros(0, 133, 3),
        torch.tensor(5.0),
    ],
    ids=["float32", "permuted", "sliced", "half", "empty", "no axis"],
)
def test_tensors_come_back_as_numbers(read, protocol, tensor):
    stored = read(pickle.dumps({"keypoint": tensor}, protocol))["keypoint"]
    np.testing.assert_array_equal(stored.array, tensor.numpy())


def test_python_2_wrote_arrays_as_texts(read):
    # As Python 2 would: protocol 0 with the bytes of the array as a str.
    raw = np.array([1.0, -2.5], "<f4").tobytes()
    program = (
        b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I0\ntS'b'\ntR"
        b"(I1\n(I2\ntcnumpy\ndtype\n(S'f4'\nI0\nI1\ntR(I3\nS'<'\nNNNI-1\nI-1\nI0\ntbI00\nS"
        + repr(raw.decode("latin-1")).encode("latin-1")
        + b"\ntb."
    )
    np.testing.assert_array_equal(read(program).array, [1.0, -2.5])


def test_gzip_is_told_by_content(read, tmp_path):
    assert read(gzip.compress(pickle.dumps({"a": 1}))) == {"a": 1}
    assert looks_pickled(tmp_path / "file.pkl")


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (pickle.dumps(1, 2), True), (pickle.dumps(1, 5), True), (gzip.compress(b"\x80\x04."), True),
        (b"", False), (b"<html>", False), (gzip.compress(b"text"), False), (b"\x1f\x8b\x08", False),
        (b"\x80\x09", False),
    ],
)  # fmt: skip
def test_a_pickle_is_recognised_by_its_first_bytes(tmp_path, data, expected):
    (tmp_path / "x").write_bytes(data)
    assert looks_pickled(tmp_path / "x") is expected
    assert not looks_pickled(tmp_path / "absent")


class Calls:
    """Pickles as a call."""

    def __init__(self, function, *args):
        self.call = (function, args)

    def __reduce__(self):
        return self.call


def hostile(canary: Path) -> dict[str, bytes]:
    """Pickles that create `canary` when somebody trusts them, by the global they ask for."""
    touch = f"open({str(canary)!r}, 'w').close()"
    np_load = Calls(np.load, io.BytesIO(b""), None, True)
    return {
        "posix.system": pickle.dumps(Calls(os.system, f"touch {canary}")),
        "builtins.exec": pickle.dumps({"clip": Calls(exec, touch)}),
        "builtins.eval": pickle.dumps([Calls(eval, touch)]),
        "builtins.getattr": pickle.dumps(Calls(getattr, "x", "join")),
        "subprocess.check_output": pickle.dumps(
            Calls(subprocess.check_output, ["touch", str(canary)])
        ),
        "numpy.load": pickle.dumps(np_load),
        "numpy.testing._private.utils.runstring": (
            b"cnumpy.testing._private.utils\nrunstring\n(S'" + touch.replace("'", '"').encode()
            + b"'\n(dtR."
        ),
        "torch.serialization.load": pickle.dumps(Calls(torch.load, str(canary))),
        "numpy.core.multiarray._reconstruct.__globals__": (
            b"\x80\x04\x8c\x15numpy.core.multiarray\x8c\x18_reconstruct.__globals__\x93."
        ),
    }  # fmt: skip


@pytest.mark.parametrize("name", hostile(Path("x")))
def test_a_pickle_that_asks_for_anything_else_is_refused_unexecuted(tmp_path, read, name):
    canary = tmp_path / "canary"
    with pytest.raises(InputError, match="not data") as caught:
        read(hostile(canary)[name])
    assert f"asks for {name}," in caught.value.message
    assert "Nothing in it was executed" in caught.value.message
    assert not canary.exists()


def test_the_canary_sings_when_pickle_itself_reads(tmp_path):
    """The files above are really dangerous."""
    for name in ("posix.system", "builtins.exec", "builtins.eval", "subprocess.check_output"):
        canary = tmp_path / name
        pickle.loads(hostile(canary)[name])
        assert canary.exists()


def test_a_pickle_inside_a_tensor_is_not_trusted_either(tmp_path, read):
    """Torch's storages are files of their own, which torch itself would read with pickle."""
    canary = tmp_path / "canary"
    inner = io.BytesIO()
    torch.save(Calls(os.system, f"touch {canary}"), inner)
    program = pickle.dumps(Calls(torch.storage._load_from_bytes, inner.getvalue()))
    with pytest.raises(InputError, match="not a pickle that can be read"):
        read(program)
    assert not canary.exists()


def array_program(
    shape: tuple[int, ...],
    data: bytes,
    code: str = "f8",
    dtype_state: tuple = (3, "<", None, None, None, -1, -1, 0),
) -> bytes:
    """NumPy's own form of an array, opcode by opcode, with whatever it claims to be."""

    def value(plain):
        return pickle.dumps(plain, 2)[2:-1]

    return (
        b"\x80\x02cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R("
        + value(1) + value(shape) + b"cnumpy\ndtype\n(" + value(code) + b"K\x00K\x01tR"
        + value(dtype_state) + b"b" + value(False) + value(data) + b"tb."
    )  # fmt: skip


RECORDS = (3, "|", None, ("a",), {"a": 1}, 8, 1, 0)


@pytest.mark.parametrize(
    ("program", "message"),
    [
        (array_program((2,), bytes(16), "O8"), "type 'O8'"),
        (array_program((2,), bytes(16), "V8"), "type 'V8'"),
        (array_program((2,), bytes(16), "f8", RECORDS), "records"),
        (array_program((2**40,), bytes(16)), "reshape"),
        (array_program((2,), bytes(15)), "buffer size"),
    ],
    ids=["objects", "void", "records", "too large", "half a number"],
)
def test_an_array_must_be_numbers_and_have_as_many_bytes_as_it_says(read, program, message):
    with pytest.raises(InputError, match=message):
        read(program)


def test_the_hand_made_array_is_read_when_nothing_is_wrong_with_it(read):
    program = array_program((2,), np.array([1.5, -2.0]).tobytes())
    np.testing.assert_array_equal(read(program).array, [1.5, -2])


@pytest.mark.parametrize(
    ("offset", "size", "stride"),
    [(0, (7,), (1,)), (4, (3,), (1,)), (0, (2, 2), (1, 5)), (-1, (2,), (1,)),
     (0, (2**40,), (0,)), (0, (2**20, 2**20), (0, 0))],
)  # fmt: skip
def test_a_tensor_cannot_reach_outside_its_storage(read, offset, size, stride):
    storage = io.BytesIO()
    typed = torch.storage.TypedStorage(
        wrap_storage=torch.arange(6.0).untyped_storage(), dtype=torch.float32, _internal=True
    )
    torch.save(typed, storage, _use_new_zipfile_serialization=False)
    program = Calls(
        torch._utils._rebuild_tensor_v2,
        Calls(torch.storage._load_from_bytes, storage.getvalue()),
        offset, size, stride, False, OrderedDict(),
    )  # fmt: skip
    with pytest.raises(InputError, match="storage"):
        read(pickle.dumps(program))


def test_state_cannot_be_given_to_a_function(read):
    """BUILD would set attributes such as __defaults__ on what a name stands for."""
    program = (
        b"\x80\x02cnumpy.core.multiarray\n_reconstruct\nN}X\x0c\x00\x00\x00__defaults__Ns\x86b."
    )
    with pytest.raises(InputError, match="no array"):
        read(program)
    assert unpickle._reconstruct.__defaults__ is None


def test_a_bomb_is_not_unpacked(tmp_path):
    path = tmp_path / "bomb.train"
    with gzip.open(path, "wb") as handle:
        handle.write(b"\x80\x04\x8e" + (2**30).to_bytes(8, "little"))
        block = bytes(2**20)
        for _ in range(64):
            handle.write(block)
    assert path.stat().st_size < 2**17
    with pytest.raises(InputError, match="unpacks to far more"):
        read_pickle(path)


@pytest.mark.parametrize(
    "program",
    [
        b"\x80\x04\x8e" + (2**60).to_bytes(8, "little") + b"x.",
        b"\x80\x04\x95" + (2**60).to_bytes(8, "little") + b"N.",
        b"\x80\x02Nr\xff\xff\xff\x7f.",  # a memo of two thousand million places
    ],
    ids=["bytes", "frame", "memo"],
)
def test_a_small_file_cannot_ask_for_much_memory(tmp_path, program):
    path = tmp_path / "bomb.pkl"
    path.write_bytes(program)
    code = (
        "import resource, sys; from pathlib import Path\n"
        "from slt_cli.errors import SltError; from slt_cli.storage.unpickle import read_pickle\n"
        "import numpy\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "try: read_pickle(Path(sys.argv[1]))\n"
        "except SltError: pass\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True
    )
    assert int(done.stdout) < 50_000  # kB


@pytest.mark.parametrize("seed", range(40))
def test_a_damaged_pickle_is_an_input_error(tmp_path, seed):
    rng = np.random.default_rng(seed)
    value = {"clip": {"keypoint": np.ones((3, 133, 3), np.float32), "text": "a"}}
    data = bytearray(pickle.dumps(value, int(rng.integers(2, 6))))
    path = tmp_path / "cut.pkl"
    for _ in range(int(rng.integers(1, 4))):
        data[int(rng.integers(len(data)))] ^= int(rng.integers(1, 256))
    cut = bytes(data[: int(rng.integers(1, len(data)))]) if seed % 2 else bytes(data)
    path.write_bytes(gzip.compress(cut) if seed % 3 == 0 else cut)
    with suppress(InputError):  # and no other exception
        read_pickle(path)


@pytest.mark.parametrize("data", [b"", b"<html>not here</html>", b"\x80\x04", b"\x1f\x8b\x08\x00"])
def test_what_is_no_pickle_says_so(read, data):
    with pytest.raises(InputError):
        read(data)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(InputError, match="cannot be read"):
        read_pickle(tmp_path / "absent.pkl")
