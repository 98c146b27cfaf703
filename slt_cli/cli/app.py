"""The `slt` application: every command, in the order a user meets them."""

from __future__ import annotations

from typing import Annotated

import typer
from typer.core import TyperGroup

from slt_cli import __version__
from slt_cli.cli import (
    config,
    demo,
    doctor,
    evaluate,
    export,
    extract,
    presets,
    pretrain,
    train,
    translate,
    validate,
)


class _Ordered(TyperGroup):
    """Lists commands in the order of the work, where Typer puts groups such as `export` last."""

    def list_commands(self, ctx: typer.Context) -> list[str]:
        """The names as `--help` shows them."""
        return sorted(self.commands, key=_ORDER.index)


app = typer.Typer(
    name="slt",
    cls=_Ordered,
    help="Sign-language video to text: extract landmarks, train, evaluate and export models.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        print(f"slt {__version__}")
        raise typer.Exit


@app.callback()
def _global_options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    pass


_ORDER = (
    "extract", "validate", "pretrain", "train", "eval", "export", "translate", "demo", "doctor",
    "presets", "config",
)  # fmt: skip

for command in (extract, validate, pretrain, train, evaluate, translate, export, demo):
    command.register(app)
for group in (presets, config, doctor):
    group.register(app)
