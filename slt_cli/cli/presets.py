"""`slt presets`: list, show and copy the named starting points."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from slt_cli.cli.flags import Outcome, complete_presets
from slt_cli.errors import UsageError
from slt_cli.pipelines.result import Result
from slt_cli.settings.preset_files import find_preset, list_presets

_Name = Annotated[
    str, typer.Argument(metavar="NAME", autocompletion=complete_presets(None), help="Preset name.")
]
_Json = Annotated[bool, typer.Option("--json", metavar="", help="Print one JSON object on stdout.")]


def register(app: typer.Typer) -> None:
    """Add the command group to `app`."""
    group = typer.Typer(help="Named starting points for train and pretrain.", no_args_is_help=True)
    app.add_typer(group, name="presets")

    @group.command("list")
    def list_(json_: _Json = False) -> Outcome:
        """List the presets and what each is for."""
        presets = list_presets()
        width = max(len(preset.name) for preset in presets)
        lines = [f"{p.name:<{width}}  {p.verb:<8}  {p.summary}" for p in presets]
        facts = {
            "presets": [{"name": p.name, "verb": p.verb, "summary": p.summary} for p in presets]
        }
        return Outcome(Result("presets list", text="\n".join(lines), facts=facts), json_)

    @group.command("show")
    def show(name: _Name, json_: _Json = False) -> Outcome:
        """Print a preset's file."""
        text = find_preset(name).read_text("utf-8").rstrip()
        return Outcome(Result("presets show", text=text, facts={"yaml": text}), json_)

    @group.command("copy")
    def copy(
        name: _Name,
        target: Annotated[
            Path | None, typer.Argument(help="File to write; ./NAME.yaml by default.")
        ] = None,
        overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the file.")] = False,
        dry_run: Annotated[
            bool, typer.Option("--dry-run", help="Only say what would be written.")
        ] = False,
        json_: _Json = False,
    ) -> Outcome:
        """Copy a preset into a file of your own, for use with --config."""
        from slt_cli.storage.atomic import write_text

        source = find_preset(name)
        path = target or Path(source.name)
        if path.exists() and not overwrite:
            raise UsageError(
                "the file exists", where=str(path), hint=f"slt presets copy {name} OTHER.yaml"
            )
        if dry_run:
            return Outcome(Result("presets copy", "planned", text=f"would write {path}"), json_)
        write_text(path, source.read_text("utf-8"))
        return Outcome(Result("presets copy", text=str(path), outputs=[path]), json_)
