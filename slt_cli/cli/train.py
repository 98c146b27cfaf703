"""`slt train`: train a translation model on a corpus."""

from __future__ import annotations

import typer

from slt_cli.cli.flags import Call, settings_command
from slt_cli.pipelines.result import Result


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""

    @settings_command(app, "train", "data", "model", "optim", "training", presets="train")
    def train(call: Call) -> Result:
        """Train a model that translates a corpus's signing into its text.

        slt train --preset keypoints-small --data corpus
        """
        if call.dry_run:
            from slt_cli.pipelines.train_plan import plan_train

            return plan_train(call.loaded)
        from slt_cli.pipelines.train import run_train

        return run_train(call.loaded, call.report)
