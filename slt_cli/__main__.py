"""`python -m slt_cli` and the `slt` executable, also under `torchrun -m slt_cli`."""

from __future__ import annotations

import os
from typing import NoReturn

from slt_cli.cli import main as command_line


def main() -> NoReturn:
    """Run `slt`. Of several processes that `torchrun` started, the first one has the result."""
    if "WORLD_SIZE" in os.environ and os.environ.get("RANK", "0") != "0":
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    command_line.main()


if __name__ == "__main__":
    main()
