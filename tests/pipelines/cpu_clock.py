"""`python cpu_clock.py ARGS`: `slt ARGS` that times training by the processor's clock.

Other programs on the machine slow the clock on the wall, and this one hardly.
"""

from __future__ import annotations

import sys
import time
from types import SimpleNamespace

import torch

from slt_cli.cli.main import run
from slt_cli.pipelines import train_probe
from slt_cli.training import loop

if __name__ == "__main__":
    torch.set_num_threads(1)  # threads that wait for each other count as busy
    clock = SimpleNamespace(monotonic=time.process_time)
    for module in (train_probe, loop):
        module.time = clock  # type: ignore[attr-defined]
    sys.exit(run(sys.argv[1:]))
