"""`slt export`: models that run without torch."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from slt_cli.cli.flags import CORPUS_PATHS, Call, settings_command
from slt_cli.pipelines.result import Result


def register(app: typer.Typer) -> None:
    """Add the command group to `app`."""
    group = typer.Typer(help="Export a trained run.", no_args_is_help=True)
    app.add_typer(group, name="export")

    @group.callback()
    def _group() -> None:
        pass

    @settings_command(group, "onnx", "export", *CORPUS_PATHS)
    def onnx(
        call: Call,
        run: Annotated[
            Path | None,
            typer.Argument(
                metavar="RUN", help="Run folder or checkpoint; the newest run if omitted."
            ),
        ] = None,
    ) -> Result:
        """Write encoder and decoder as ONNX with tokenizer and preprocessing, checked on text.

        slt export onnx work_dirs/keypoints-small -o bundle
        """
        from slt_cli.pipelines.export import plan_export, run_export

        if call.dry_run:
            return plan_export(run, call.loaded)
        return run_export(run, call.settings, call.report)
