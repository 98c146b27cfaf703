"""An epoch that an error ends in the middle while its traceback is kept: test_loader runs this.

Of the two data-loading processes one hangs and the other one raises the error, after a SIGTERM to
both, as a terminal or a batch system sends it. Their numbers and the time go to stdout.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from contextlib import closing

import torch.utils.data

from slt_cli.data.sample import ClipSample
from slt_cli.training.signals import ignore_stop_signals
from tests.data.test_loader import Clips, train_loader

torch.utils.data._utils.MP_STATUS_CHECK_INTERVAL = 0.5  # seconds that each gets to end


class Troubled(Clips):
    """The first worker gives a batch and hangs in its next one, the second one fails at once."""

    def __getitem__(self, item: tuple[int, int]) -> ClipSample:
        read.append(item)
        if torch.utils.data.get_worker_info().id == 1:
            raise ValueError("in the middle of an epoch")
        if len(read) == 2:
            time.sleep(10_000)
        return super().__getitem__(item)


def give_up() -> None:
    with closing(
        train_loader(Troubled(), batch_size=1, num_workers=2, worker_init=ignore_stop_signals)
    ) as loader:
        batches = loader.epoch(0, 0)
        next(batches)
        workers = [worker.pid for worker in loader._loader._iterator._workers]
        for worker in workers:
            os.kill(worker, signal.SIGTERM)
        print(*workers, time.time(), flush=True)
        next(batches)


read: list[tuple[int, int]] = []
try:
    give_up()
except ValueError as error:
    sys.last_exc = error  # and with its traceback everything that the frames held
