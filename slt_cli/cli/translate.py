"""`slt translate`: a video in, a sentence out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from slt_cli.cli.flags import Call, settings_command
from slt_cli.pipelines.result import Result


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""

    @settings_command(
        app,
        "translate",
        "translate",
        "extract.estimator",
        "extract.model_sha256",
        "extract.signer",
        "extract.on_damage",
        "eval.beams",
        "eval.length_penalty",
    )
    def translate(
        call: Call,
        videos: Annotated[list[Path], typer.Argument(metavar="VIDEO...", help="Video files.")],
    ) -> Result:
        """Translate videos with a trained run or an exported bundle; one line of text per video.

        slt translate video.mp4 --model work_dirs/keypoints-small
        """
        from slt_cli.pipelines.translate import plan_translate, run_translate

        if call.dry_run:
            return plan_translate(videos, call.loaded)
        return run_translate(videos, call.settings, call.report)
