"""Run the real executable in a fresh process."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

SLT = [sys.executable, "-m", "slt_cli"]
KEYS = {
    "schema", "command", "status", "exit_code", "outputs", "counts", "warnings", "errors", "facts",
}  # fmt: skip


def clean_environment(**extra: str | None) -> dict[str, str]:
    """This environment without `SLT_*` and display variables, changed by `extra`."""
    display = {"TERM", "COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR", "LANG", "LC_ALL"}
    environ = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("SLT_") and name not in display
    }
    environ |= {name: value for name, value in extra.items() if value is not None}
    return {name: value for name, value in environ.items() if extra.get(name, "") is not None}


def slt(
    *args: str | Path, cwd: Path | None = None, **extra: str | None
) -> subprocess.CompletedProcess[str]:
    """Run `slt ARGS`; `extra` are environment variables, None removing one."""
    return subprocess.run(
        [*SLT, *map(str, args)],
        cwd=cwd,
        env=clean_environment(**extra),
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
        timeout=120,
    )


def json_object(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    """The one object on stdout, with the keys that every command promises."""
    assert done.stdout.endswith("\n")
    assert done.stdout.count("\n") == 1
    value = json.loads(done.stdout)
    assert set(value) == KEYS
    assert value["exit_code"] == done.returncode
    for error in value["errors"]:
        assert set(error) == {"code", "message", "where", "hint"}
    return value


def files_in(folder: Path) -> set[str]:
    """Every file and folder below, hidden ones too."""
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}
