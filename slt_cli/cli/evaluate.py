"""`slt eval`: scores with signatures."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from slt_cli.cli.flags import CORPUS_PATHS, Call, settings_command
from slt_cli.pipelines.result import Result


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""

    @settings_command(app, "eval", "eval", *CORPUS_PATHS, reads_run=True)
    def evaluate(
        call: Call,
        run: Annotated[
            Path | None,
            typer.Argument(
                metavar="RUN", help="Run folder or checkpoint; the newest run if omitted."
            ),
        ] = None,
    ) -> Result:
        """Translate a split and score it: BLEU, chrF and WER, each with its signature.

        slt eval work_dirs/keypoints-small --data corpus --split test
        """
        from slt_cli.pipelines.evaluate import plan_evaluate, run_evaluate

        if call.dry_run:
            return plan_evaluate(run, call.loaded)
        return run_evaluate(run, call.loaded, call.report)
