"""`slt validate`: is this corpus, table or run fit for use?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from slt_cli.cli.flags import Call, settings_command
from slt_cli.pipelines.result import Result


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""

    @settings_command(app, "validate", "check")
    def validate(
        call: Call,
        target: Annotated[
            Path, typer.Argument(metavar="CORPUS", help="Corpus folder, or a run or checkpoint.")
        ] = Path("corpus"),
    ) -> Result:
        """Check a corpus, its tables and splits; exit 3 when something is wrong.

        slt validate corpus
        """
        from slt_cli.pipelines.validate import plan_validate, run_validate

        if call.dry_run:
            return plan_validate(target, call.loaded)
        return run_validate(target, call.settings, call.report)
