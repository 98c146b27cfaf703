"""`slt export`: models that run without torch, their streams, and landmarks for other tools."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from slt_cli.cli.flags import CORPUS_PATHS, Call, settings_command
from slt_cli.pipelines.result import Result


def register(app: typer.Typer) -> None:
    """Add the command group to `app`."""
    group = typer.Typer(
        help="Export a trained run, a stream of it, or the landmarks of a corpus.",
        no_args_is_help=True,
    )
    app.add_typer(group, name="export")

    @group.callback()
    def _group() -> None:
        pass

    _add_onnx(group)
    _add_backbone(group)
    _add_pose(group)


def _add_onnx(group: typer.Typer) -> None:
    @settings_command(group, "onnx", "export", *CORPUS_PATHS, reads_run=True)
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


def _add_backbone(group: typer.Typer) -> None:
    @settings_command(group, "backbone", "export.output", "export.overwrite", reads_run=True)
    def backbone(
        call: Call,
        stream: Annotated[
            str,
            typer.Option(
                "--stream",
                metavar="STREAM",
                help="face, hand_left, hand_right, body: the keypoint stack; "
                "crops_face, crops_hand_left, crops_hand_right: the image backbone.",
            ),
        ],
        run: Annotated[
            Path | None,
            typer.Argument(
                metavar="RUN", help="Run folder or checkpoint; the newest run if omitted."
            ),
        ] = None,
    ) -> Result:
        """Write the weights of one stream to a file that another run can start from.

        slt export backbone work_dirs/keypoints-small --stream hand_right -o hand.pt

        slt train --mska-hand-state hand.pt starts both hands from it.
        """
        from slt_cli.pipelines.export_backbone import plan_export_backbone, run_export_backbone

        if call.dry_run:
            return plan_export_backbone(run, stream, call.loaded)
        return run_export_backbone(run, stream, call.settings.export, call.report)


def _add_pose(group: typer.Typer) -> None:
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
