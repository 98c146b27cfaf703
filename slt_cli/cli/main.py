"""The one place where errors become messages and exit codes."""

from __future__ import annotations

import errno
import itertools
import json
import os
import signal
import sys
import traceback
from typing import Any, NoReturn

import typer

from slt_cli.cli.console import printable, show_error, speaks_for_all
from slt_cli.cli.flags import Outcome
from slt_cli.cli.streams import StdoutError, keep_log, own_streams
from slt_cli.errors import Interrupted, OutOfResources, SltError, UsageError
from slt_cli.pipelines.result import Result

_NO_ROOM = {
    errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.ENOMEM, errno.EMFILE, errno.ENFILE,
}  # fmt: skip
_NO_ACCESS = {
    errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EISDIR, errno.EEXIST,
    errno.ENAMETOOLONG, errno.ELOOP,
}  # fmt: skip


def main() -> NoReturn:
    """Run `slt` and leave with its exit code."""
    # Waiting threads spin for microseconds, then sleep. Torch's default spins so long that a shared
    # machine becomes tens of times slower; never spinning makes a quiet one twice as slow.
    os.environ.setdefault("GOMP_SPINCOUNT", "10000")
    argv = join_set_pairs(sys.argv[1:])
    noise = own_streams(_debug(argv))
    signal.signal(signal.SIGTERM, _terminate)
    try:
        code = run(argv, noise)
        sys.stdout.flush()
    except StdoutError as error:
        _silence(sys.stdout)
        code = 141 if error.reader_left else OutOfResources.exit_code
        if not error.reader_left:
            show_error(f"stdout cannot be written: {error}", None, None, OutOfResources.code)
    sys.exit(code)


def run(argv: list[str], noise: int | None = None) -> int:
    """Run one command line and print its result; `noise` is the log of `own_streams`.

    Returns the exit code. Only `StdoutError` and the exits of shell completion leave this function.
    """
    as_json = "--json" in argv
    try:
        from slt_cli.cli.app import app

        returned = app(argv, prog_name="slt", standalone_mode=False)
        if returned == 128 + signal.SIGINT:  # what Typer makes of a KeyboardInterrupt
            raise KeyboardInterrupt
        text = _rendered(returned)
    except SltError as error:
        if _debug(argv):
            traceback.print_exc()
        return _fail(error, argv, as_json)
    except typer.TyperException as error:
        return _usage(error, argv, as_json)
    except (KeyboardInterrupt, typer.Abort):
        return _fail(Interrupted("stopped", signal_number=signal.SIGINT), argv, as_json)
    except MemoryError:
        hint = "use fewer workers, smaller batches or shorter clips"
        return _fail(OutOfResources("out of memory", hint=hint), argv, as_json, own=True)
    except StdoutError:
        raise
    except SystemExit as leaving:  # of completion, or of Click for any broken pipe
        if isinstance(leaving.__context__, OSError):
            return _bug(leaving.__context__, argv, as_json, noise)
        raise
    except Exception as error:
        known = _known(error)
        if known:
            return _fail(known, argv, as_json, own=True)
        return _bug(error, argv, as_json, noise)
    return _finish(returned, text)


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


def _debug(argv: list[str]) -> bool:
    return "--debug" in argv or bool(os.environ.get("SLT_DEBUG"))


def _rendered(returned: Any) -> str:
    if not isinstance(returned, Outcome):
        return ""
    return _json(returned.result) if returned.as_json else returned.result.text


def _finish(returned: Any, text: str) -> int:
    if text:
        print(text)
    if not isinstance(returned, Outcome):
        return int(returned or 0)
    for warning in returned.result.warnings:
        print(f"warning: {printable(warning)}", file=sys.stderr)
    for error in returned.result.errors:
        show_error(error.message, error.where, error.hint, error.code)
    return returned.result.exit_code


def _fail(error: SltError, argv: list[str], as_json: bool, *, own: bool = False) -> int:
    """Tell the error and return its code; `own`: as if it were `of_one_process`."""
    if own or error.of_one_process or speaks_for_all():
        show_error(error.message, error.where, error.hint, error.code)
    if as_json:
        print(_json(_failed(error, argv)))
    return error.exit_code


def _failed(error: SltError, argv: list[str]) -> Result:
    status = "interrupted" if isinstance(error, Interrupted) else "failed"
    return Result(_command(argv), status, error.exit_code, errors=[error])


def _command(argv: list[str]) -> str:
    """The words that name the command, as its `Result` would: `train`, `config show`."""
    words = list(itertools.takewhile(lambda token: not token.startswith("-"), argv))
    return " ".join(words[: 2 if words[:1] in (["config"], ["presets"]) else 1])


def _usage(error: Any, argv: list[str], as_json: bool) -> int:
    if type(error).__name__ == "NoArgsIsHelpError":  # which has printed the help
        return UsageError.exit_code
    context = getattr(error, "ctx", None)
    path = context.command_path if context else f"slt {_command(argv)}".rstrip()
    return _fail(UsageError(error.format_message(), hint=f"{path} --help"), argv, as_json)


def _known(error: Exception) -> SltError | None:
    """Refusals of the operating system that the user can do something about."""
    if not isinstance(error, OSError):
        return None
    reason, where = error.strerror or str(error), error.filename and os.fsdecode(error.filename)
    if error.errno in _NO_ROOM:
        return OutOfResources(reason, where=where, hint="slt doctor shows disk and limits")
    if error.errno in _NO_ACCESS:
        return UsageError(reason, where=where, hint="check the path and its permissions")
    return None


def _bug(error: Exception, argv: list[str], as_json: bool, noise: int | None) -> int:
    """An unexpected exception: one line, and a log with the traceback."""
    log = None
    if _debug(argv):
        traceback.print_exc()
    else:
        log = keep_log(noise, traceback.format_exc())
    first_line = next(iter(str(error).splitlines()), "")
    hint = "run again with --debug" + (f", or read {log}" if log else "")
    summary = f"unexpected {type(error).__name__}: {first_line}"
    return _fail(SltError(summary, hint=hint), argv, as_json, own=True)


def _json(result: Result) -> str:
    return json.dumps(result.as_dict(), ensure_ascii=False, allow_nan=False, default=str)


def _terminate(number: int, frame: object) -> NoReturn:
    raise Interrupted("stopped by SIGTERM", signal_number=number)


def _silence(stream: Any) -> None:
    """Point a broken stream at nothing, so that the interpreter's last flush is quiet."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
