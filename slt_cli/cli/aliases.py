"""Flags under the names that the older scripts gave them, and what becomes of those of `train`."""

from __future__ import annotations

from collections.abc import Iterator

import typer
from typer.core import TyperCommand

from slt_cli.errors import UsageError
from slt_cli.settings.aliases import USE_MSKA
from slt_cli.settings.root import flag_of, iter_fields

NAMES: dict[str, tuple[str, ...]] = {
    # A name after blank and slash turns the setting off.
    "model.mska_use_sgr": (" /--mska-no-sgr",),
    "model.mska_sgr_shared": (" /--mska-sgr-per-stream",),
}
"""Setting -> further names of its flag."""

SWITCHES: dict[str, tuple[str, str]] = {
    USE_MSKA: (
        "--use-mska/--no-use-mska",
        "add keypoints to the streams, or take them away; --streams names all of them",
    ),
}
"""Old key that is no setting -> its flag and the sentence about it."""

PRESET_NAMES = ("--preset", "-p", "--decoder-preset")

_IN_THE_CHECKPOINT = ("data", "model")


class ReadsCheckpoint(TyperCommand):
    """A command that reads a trained run: it takes no flag that says how the run was trained."""

    def parse_args(self, ctx: typer.Context, args: list[str]) -> list[str]:
        """As ever. Raises `UsageError` naming the training flags that were given."""
        own = {name for p in self.params for name in (*p.opts, *p.secondary_opts)}
        foreign = set(training_flags()) - own
        given = [word.partition("=")[0] for word in args]
        if found := [name for name in dict.fromkeys(given) if name in foreign]:
            what = f"{found[0]} is" if len(found) == 1 else f"{', '.join(found)} are"
            raise UsageError(
                f"{what} read from the checkpoint, drop {'it' if len(found) == 1 else 'them'}",
                where=found[0], hint=f"{ctx.command_path} --help",
            )  # fmt: skip
        return super().parse_args(ctx, args)


def training_flags() -> Iterator[str]:
    """Every name of the flags of `slt train` of which a checkpoint keeps what they said."""
    for section, name, field in iter_fields(*_IN_THE_CHECKPOINT):
        flag = flag_of(name, field)
        yield flag
        if field.annotation is bool:
            yield f"--no-{flag[2:]}"
        yield from (other.strip(" /") for other in NAMES.get(f"{section}.{name}", ()))
    for names, _ in SWITCHES.values():
        yield from names.split("/")
    yield PRESET_NAMES[-1]
