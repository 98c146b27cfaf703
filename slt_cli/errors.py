"""The errors a user can act on. Each one says what, where and why, and names the next command.

Every class carries the exit code that scripts rely on (docs/architecture.md, "Exit codes").
"""

from __future__ import annotations

from typing import ClassVar


class SltError(Exception):
    """Base of all errors shown to the user without a traceback.

    `message` says what went wrong and why, `where` is the file, key or clip concerned, and `hint`
    is the next thing to do, ideally a command. `of_one_process`: of processes that train together
    this one alone has it, and must tell it itself.
    """

    code: ClassVar[str] = "SLT-E001"
    exit_code: ClassVar[int] = 1
    of_one_process: bool = False

    def __init__(self, message: str, *, where: str | None = None, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.where = where
        self.hint = hint

    def __reduce__(self) -> tuple[object, ...]:
        """Keep `where` and `hint` when the error crosses a process boundary."""
        return (_rebuild, (type(self), self.message, self.where, self.hint))

    def as_dict(self) -> dict[str, str | None]:
        """The JSON form used by `--json`."""
        return {
            "code": self.code, "message": self.message, "where": self.where, "hint": self.hint,
        }  # fmt: skip


def _rebuild(cls: type[SltError], message: str, where: str | None, hint: str | None) -> SltError:
    return cls(message, where=where, hint=hint)


class UsageError(SltError):
    """A wrong command line or configuration (exit 2)."""

    code = "SLT-E002"
    exit_code = 2


class InputError(SltError):
    """Bad input data: a video, table, corpus or checkpoint that cannot be used (exit 3)."""

    code = "SLT-E003"
    exit_code = 3


class MissingAsset(SltError):
    """A model file, package or device that is not here (exit 5)."""

    code = "SLT-E005"
    exit_code = 5


class OutOfResources(SltError):
    """Disk, memory or file handles ran out (exit 6)."""

    code = "SLT-E006"
    exit_code = 6


class VerificationError(SltError):
    """A result did not match what it must equal, such as an export against its model (exit 7)."""

    code = "SLT-E007"
    exit_code = 7


class Diverged(SltError):
    """Training produced a non-finite loss or collapsed (exit 8)."""

    code = "SLT-E008"
    exit_code = 8


class Interrupted(SltError):
    """A stop signal was obeyed; the exit code is 128 + the signal's number (130, 143, ...)."""

    code = "SLT-E130"

    def __init__(self, message: str, *, signal_number: int, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.signal_number = signal_number
        self.exit_code = 128 + signal_number  # type: ignore[misc]

    def __reduce__(self) -> tuple[object, ...]:
        """Rebuild with the signal number."""
        return (_rebuild_interrupted, (self.message, self.signal_number, self.hint))


def _rebuild_interrupted(message: str, signal_number: int, hint: str | None) -> Interrupted:
    return Interrupted(message, signal_number=signal_number, hint=hint)
