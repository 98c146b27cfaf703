"""`slt validate`: is this corpus, table, settings file, checkpoint or run fit for use?"""

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
            Path,
            typer.Argument(
                metavar="TARGET",
                help="Corpus folder, table (.csv), settings file (.yaml), checkpoint (.pt), run or "
                "bundle; or the word metrics.",
            ),
        ] = Path("corpus"),
        run: Annotated[
            Path | None,
            typer.Argument(metavar="RUN", help="After metrics: the run to compare."),
        ] = None,
        list_rules: Annotated[
            bool, typer.Option("--list-rules", metavar="", help="Print every rule, check nothing.")
        ] = False,
    ) -> Result:
        """Check a corpus, table or run; exit 3 when something is wrong.

        slt validate corpus --html report.html

        slt validate meta.csv --fix fixed.csv

        slt validate metrics RUN --reference metrics.jsonl --tolerance 0.05
        """
        from slt_cli.pipelines.validate import list_all_rules, plan_validate, run_validate

        if list_rules:
            return list_all_rules()
        if call.dry_run:
            return plan_validate(target, call.loaded, run)
        return run_validate(target, call.settings, call.report, run)
