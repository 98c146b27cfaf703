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
        from slt_cli.pipelines.train import plan_train, run_train

        if call.dry_run:
            return plan_train(call.loaded)
        return run_train(call.loaded, call.report)
