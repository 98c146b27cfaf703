"""Memory is given back where the C library can, and nothing happens where it cannot."""

from __future__ import annotations

import ctypes
import subprocess
import sys
from types import SimpleNamespace

import pytest

from slt_cli.training.memory import give_back_memory

LEAVES_PIECES = """
import sys
from pathlib import Path

from slt_cli.training.memory import give_back_memory

def held():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4 // 1024  # MiB

# Below the size that glibc maps on its own, and written to, so that they take memory.
pieces = [bytes([n % 256]) * 100_000 for n in range(3000)]
del pieces[:-1]  # the last one keeps the heap from shrinking
before = held()
give_back_memory()
print(before - held())
"""


@pytest.mark.skipif(
    not sys.platform.startswith("linux") or not hasattr(ctypes.CDLL(None), "malloc_trim"),
    reason="only glibc can give memory back",
)
def test_what_was_freed_goes_back_to_the_system() -> None:
    done = subprocess.run(
        [sys.executable, "-c", LEAVES_PIECES], capture_output=True, text=True, check=True
    )
    assert int(done.stdout) > 150  # of 286 MiB


@pytest.mark.parametrize("error", [OSError, TypeError, AttributeError])
def test_a_system_without_it_is_left_alone(
    monkeypatch: pytest.MonkeyPatch, error: type[Exception]
) -> None:
    def refuses(name: None) -> None:
        raise error

    monkeypatch.setattr(ctypes, "CDLL", refuses)
    give_back_memory()


def test_another_c_library_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ctypes, "CDLL", lambda name: SimpleNamespace())
    give_back_memory()
