from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable

import pytest

from slt_cli.training.signals import SIGNALS, ignore_stop_signals, stop_request


def in_a_child(body: Callable[[], object]) -> int:
    """Exit code of a forked process that runs `body`; negative for the signal that ended it."""
    child = os.fork()
    if not child:
        body()
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


@pytest.mark.parametrize("number", SIGNALS)
def test_the_first_signal_is_remembered_and_the_handlers_come_back(number: int) -> None:
    before = [signal.getsignal(n) for n in SIGNALS]
    with stop_request() as request:
        assert request() is None
        os.kill(os.getpid(), number)
        assert request() == number
    assert [signal.getsignal(n) for n in SIGNALS] == before


def test_the_second_signal_ends_the_process_at_once() -> None:
    def body() -> None:
        with stop_request(tells=False):
            os.kill(os.getpid(), signal.SIGUSR1)
            os.kill(os.getpid(), signal.SIGTERM)

    assert in_a_child(body) == 128 + signal.SIGTERM


def test_signals_do_not_reach_a_worker() -> None:
    def body() -> None:
        ignore_stop_signals(0)
        for number in SIGNALS:
            os.kill(os.getpid(), number)

    assert in_a_child(body) == 0


ASKED_TO_STOP = """
import os, signal, sys
from slt_cli.training.signals import stop_request
class Busy:
    def __init__(self, stream): self.stream = stream
    def fileno(self): return self.stream.fileno()
    def write(self, text): raise RuntimeError("reentrant call")
sys.stderr, error = Busy(sys.stderr), sys.stderr
for tells in (True, False):
    with stop_request(tells=tells) as request:
        os.kill(os.getpid(), signal.SIGTERM)
        assert request() == signal.SIGTERM
sys.stderr = None
with stop_request() as request:
    os.kill(os.getpid(), signal.SIGTERM)
    assert request() == signal.SIGTERM
"""


def test_a_signal_is_answered_once_also_while_stderr_is_in_use_or_closed() -> None:
    done = subprocess.run([sys.executable, "-c", ASKED_TO_STOP], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stderr == "stopping cleanly; again to stop at once\n"
