"""`slt pretrain`: self-supervised training of a crop backbone."""

from __future__ import annotations

import typer

from slt_cli.cli.flags import Call, settings_command
from slt_cli.pipelines.result import Result


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""

    @settings_command(app, "pretrain", "pretrain", "data.corpus", presets="pretrain")
    def pretrain(call: Call) -> Result:
        """Train a vision transformer on crops without labels (DINO) and export it for `slt train`.

        slt pretrain --preset dino-hand --train-dir corpus/hand_r
        """
        from slt_cli.pipelines.pretrain import plan_pretrain, run_pretrain

        if call.dry_run:
            return plan_pretrain(call.loaded)
        return run_pretrain(call.loaded, call.report)
