"""Write a measured table into docs/measurements.md, in place of the one measured before."""

from __future__ import annotations

import platform
import re
from collections.abc import Sequence
from datetime import date
from importlib.metadata import version
from pathlib import Path

from slt_cli.storage.atomic import write_text

PAGE = Path(__file__).resolve().parents[2] / "docs" / "measurements.md"
HEADER = """# Measurements

Every table is written by the command named above it, on the machine it names. Run the command again
to measure your own.
"""


def record(
    title: str, command: str, columns: Sequence[str], rows: Sequence[Sequence[object]]
) -> str:
    """Replace (or append) the section `title` and return its Markdown."""
    lines = ["| " + " | ".join(columns) + " |", "| " + " | ".join("---" for _ in columns) + " |"]
    lines += ["| " + " | ".join(_cell(value) for value in row) + " |" for row in rows]
    body = f"## {title}\n\n`{command}`  \n{machine()}\n\n" + "\n".join(lines) + "\n"
    page = PAGE.read_text("utf-8") if PAGE.exists() else HEADER
    section = re.compile(rf"## {re.escape(title)}\n.*?(?=\n## |\Z)", re.DOTALL)
    if section.search(page):
        page = section.sub(lambda _: body, page, count=1)
    else:
        page = page.rstrip() + "\n\n" + body
    write_text(PAGE, page.rstrip() + "\n")
    return body


def machine() -> str:
    """One line about where and when."""
    import os

    return (
        f"{date.today()}, {len(os.sched_getaffinity(0))} CPU cores, {_cpu()}, Python "
        f"{platform.python_version()}, torch {version('torch')}"
    )


def _cpu() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.machine()


def _cell(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value).replace("|", "\\|")
