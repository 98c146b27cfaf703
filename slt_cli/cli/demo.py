"""`slt demo`: the whole road on a synthetic signer."""

from __future__ import annotations

import typer

from slt_cli.cli.flags import Call, settings_command
from slt_cli.pipelines.result import Result


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""

    @settings_command(app, "demo", "demo")
    def demo(call: Call) -> Result:
        """Render a synthetic signer, then extract, train, evaluate, export and translate, offline.

        slt demo
        """
        from slt_cli.pipelines.demo import plan_demo, run_demo

        if call.dry_run:
            return plan_demo(call.loaded)
        return run_demo(call.settings, call.report)
