"""An epoch that an error ends in the middle while its traceback is kept: test_loader runs this.

Writes the numbers of the data-loading processes and the time of the error to stdout. SIGTERM is
sent to all of them first, as a terminal or a batch system does: they must outlive it.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from contextlib import closing

from slt_cli.training.signals import ignore_stop_signals
from tests.data.test_loader import train_loader


def give_up() -> None:
    """Batches of one clip each, so that most of them are still to come or on their way."""
    with closing(
        train_loader(batch_size=1, num_workers=2, worker_init=ignore_stop_signals)
    ) as loader:
        batches = loader.epoch(0, 0)
        next(batches)
        workers = [worker.pid for worker in loader._loader._iterator._workers]
        for worker in workers:
            os.kill(worker, signal.SIGTERM)
        next(batches)
        print(*workers, time.time(), flush=True)
        raise ValueError("in the middle of an epoch")


try:
    give_up()
except ValueError as error:
    sys.last_exc = error  # and with its traceback everything that the frames held
