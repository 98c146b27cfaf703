"""The one place where errors become messages and exit codes."""

from __future__ import annotations

import errno
import json
import os
import signal
import sys
import traceback
from pathlib import Path
from typing import Any, NoReturn

import typer

from slt_cli.cli.console import show_error
from slt_cli.cli.flags import Outcome
from slt_cli.cli.streams import open_log, own_streams
from slt_cli.errors import Interrupted, OutOfResources, SltError
from slt_cli.pipelines.result import Result


def main() -> NoReturn:
    """Run `slt` and leave with its exit code."""
    own_streams()
    signal.signal(signal.SIGTERM, _terminate)
    argv = join_set_pairs(sys.argv[1:])
    try:
        code = run(argv)
        sys.stdout.flush()
    except BrokenPipeError:
        code = 141
        _silence(sys.stdout)
    except OSError as error:
        if error.errno not in {errno.ENOSPC, errno.EIO}:
            raise
        _silence(sys.stdout)
        show_error(f"stdout cannot be written: {error.strerror}", None, None, "SLT-E006")
        code = 6
    sys.exit(code)


def run(argv: list[str]) -> int:
    """Run one command line and print its result. Returns the exit code."""
    from slt_cli.cli.app import app

    as_json = "--json" in argv
    try:
        returned = app(argv, prog_name="slt", standalone_mode=False)
    except SltError as error:
        if "--debug" in argv:
            traceback.print_exc()
        return _fail(error, argv, as_json)
    except typer.TyperException as error:
        return _usage(error, argv, as_json)
    except (KeyboardInterrupt, typer.Abort):
        return _fail(Interrupted("stopped", signal_number=signal.SIGINT), argv, as_json)
    except MemoryError:
        hint = "use fewer workers, smaller batches or shorter clips"
        return _fail(OutOfResources("out of memory", hint=hint), argv, as_json)
    except (BrokenPipeError, SystemExit):
        raise
    except Exception as error:
        return _bug(error, argv, as_json)
    return _finish(returned)


def join_set_pairs(argv: list[str]) -> list[str]:
    """Accept `--set KEY VALUE` beside `--set KEY=VALUE`."""
    joined: list[str] = []
    for token in argv:
        key_before = len(joined) >= 2 and joined[-2] == "--set" and "=" not in joined[-1]
        if key_before and not token.startswith("--"):
            joined[-1] = f"{joined[-1]}={token}"
        else:
            joined.append(token)
    return joined


def _finish(returned: Any) -> int:
    if not isinstance(returned, Outcome):
        return int(returned or 0)
    result = returned.result
    if returned.as_json:
        print(_json(result))
    elif result.text:
        print(result.text)
    for warning in result.warnings:
        print(f"warning: {warning}", file=sys.stderr)
    for error in result.errors:
        show_error(error.message, error.where, error.hint, error.code)
    return result.exit_code


def _fail(error: SltError, argv: list[str], as_json: bool) -> int:
    show_error(error.message, error.where, error.hint, error.code)
    if as_json:
        print(_json(_failed(error, argv)))
    return error.exit_code


def _failed(error: SltError, argv: list[str]) -> Result:
    command = next((token for token in argv if not token.startswith("-")), "")
    status = "interrupted" if isinstance(error, Interrupted) else "failed"
    return Result(command, status, error.exit_code, errors=[error])


def _usage(error: Any, argv: list[str], as_json: bool) -> int:
    from slt_cli.errors import UsageError

    ctx = getattr(error, "ctx", None)
    if type(error).__name__ == "NoArgsIsHelpError":
        print(error.format_message(), file=sys.stderr)
        return 2
    hint = f"{ctx.command_path} --help" if ctx else "slt --help"
    return _fail(UsageError(error.format_message(), hint=hint), argv, as_json)


def _bug(error: Exception, argv: list[str], as_json: bool) -> int:
    """An unexpected exception: one line, and a log with the traceback."""
    if "--debug" in argv or os.environ.get("SLT_DEBUG"):
        traceback.print_exc()
        log: Path | None = None
    else:
        fd, log = open_log()
        os.write(fd, traceback.format_exc().encode("utf-8", "backslashreplace"))
    summary = (
        f"unexpected {type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
    )
    hint = "run again with --debug" + (f", or read {log}" if log else "")
    return _fail(SltError(summary, hint=hint), argv, as_json)


def _json(result: Result) -> str:
    return json.dumps(result.as_dict(), ensure_ascii=False, allow_nan=False, default=str)


def _terminate(number: int, frame: object) -> NoReturn:
    raise Interrupted("stopped by SIGTERM", signal_number=number)


def _silence(stream: Any) -> None:
    """Point a broken stream at nothing, so that the interpreter's last flush is quiet."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
