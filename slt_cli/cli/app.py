"""The `slt` application: every command, in the order a user meets them."""

from __future__ import annotations

from typing import Annotated

import typer

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

app = typer.Typer(
    name="slt",
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


for command in (extract, validate, pretrain, train, evaluate, translate, export, demo):
    command.register(app)
for group in (presets, config, doctor):
    group.register(app)
