"""`slt doctor`: what works on this machine."""

from __future__ import annotations

from typing import Annotated

import typer

from slt_cli.cli.flags import Outcome
from slt_cli.cli.streams import native_noise_to, open_log


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""

    @app.command("doctor")
    def doctor(
        json_: Annotated[
            bool, typer.Option("--json", help="Print one JSON object on stdout.")
        ] = False,
    ) -> Outcome:
        """Say what works here: versions, estimators and their models, devices, disk."""
        from slt_cli.pipelines.doctor import run_doctor

        fd, log = open_log()
        with native_noise_to(fd):
            result = run_doctor()
        if log is not None:
            log.unlink(missing_ok=True)
        return Outcome(result, json_)
