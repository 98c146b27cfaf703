"""`slt doctor`: what works on this machine."""

from __future__ import annotations

import sys
from contextlib import redirect_stdout
from typing import Annotated

import typer

from slt_cli.cli.flags import Outcome


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""

    @app.command("doctor")
    def doctor(
        json_: Annotated[
            bool, typer.Option("--json", metavar="", help="Print one JSON object on stdout.")
        ] = False,
    ) -> Outcome:
        """Say what works here: versions, estimators and their models, devices, disk."""
        from slt_cli.pipelines.doctor import run_doctor

        with redirect_stdout(sys.stderr):
            result = run_doctor()
        return Outcome(result, json_)
