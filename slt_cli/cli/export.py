"""`slt export`: models that run without torch, and landmarks for other tools."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from slt_cli.cli.flags import CORPUS_PATHS, Call, settings_command
from slt_cli.pipelines.result import Result


def register(app: typer.Typer) -> None:
    """Add the command group to `app`."""
    group = typer.Typer(
        help="Export a trained run, or the landmarks of a corpus.", no_args_is_help=True
    )
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

    @settings_command(group, "pose", "export.output", "export.overwrite")
    def pose(
        call: Call,
        corpus: Annotated[
            Path, typer.Argument(metavar="CORPUS", help="Corpus folder, or one keypoint .npz.")
        ],
        clip_ids: Annotated[
            list[str] | None, typer.Argument(metavar="CLIP_ID", help="Clips; all if omitted.")
        ] = None,
    ) -> Result:
        """Write the landmarks of clips as .pose files, which pose-format and its viewers read.

        slt export pose corpus -o poses
        """
        from slt_cli.pipelines.export_pose import plan_export_pose, run_export_pose

        if call.dry_run:
            return plan_export_pose(corpus, clip_ids or (), call.loaded)
        return run_export_pose(corpus, clip_ids or (), call.settings.export, call.report)
