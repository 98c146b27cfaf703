"""`slt extract`: videos to crops, pose and keypoints."""

from __future__ import annotations

from typing import Annotated

import typer

from slt_cli.cli.flags import Call, settings_command
from slt_cli.pipelines.result import Result


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""

    @settings_command(app, "extract", "extract")
    def extract(
        call: Call,
        inputs: Annotated[
            list[str] | None,
            typer.Argument(metavar="VIDEO...", help="Video files or folders of them."),
        ] = None,
    ) -> Result:
        """Turn sign-language videos into a corpus: face and hand crops, pose, keypoints.

        slt extract video.mp4
        """
        from slt_cli.pipelines.extract import plan_extract, run_extract

        if call.dry_run:
            return plan_extract(inputs or [], call.loaded)
        return run_extract(inputs or [], call.settings, call.report)
