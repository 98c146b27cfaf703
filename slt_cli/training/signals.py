"""Stop requests: the first signal asks for a clean stop, the second one stops at once."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)


class StopRequest:
    """Remembers which signal asked for a stop; loops poll it between steps.

    `tells`: the first signal is answered on stderr.
    """

    def __init__(self, *, tells: bool = True) -> None:
        self.signal_number: int | None = None
        self._tells = tells

    def __call__(self) -> int | None:
        """Number of the signal received, or None."""
        return self.signal_number

    def _receive(self, number: int, frame: FrameType | None) -> None:
        if self.signal_number is not None:
            os._exit(128 + number)
        self.signal_number = number
        if self._tells:
            # Past the buffer of the stream, which the signal may have found in use.
            with suppress(OSError, ValueError, AttributeError):  # closed, or never there
                os.write(sys.stderr.fileno(), b"stopping cleanly; again to stop at once\n")


@contextmanager
def stop_request(*, tells: bool = True) -> Iterator[StopRequest]:
    """Install the handlers for the duration of the body; `tells` as in `StopRequest`."""
    request = StopRequest(tells=tells)
    previous = {number: signal.signal(number, request._receive) for number in SIGNALS}
    try:
        yield request
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def ignore_stop_signals(worker_id: int = 0) -> None:
    """For data-loading workers: a signal to the whole group must only stop the main process."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)
