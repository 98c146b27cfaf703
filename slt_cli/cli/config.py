"""`slt config`: which value is in force, and where it came from."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Annotated, Any

import typer

from slt_cli.cli.flags import Outcome, complete_keys, complete_presets
from slt_cli.errors import InputError, UsageError
from slt_cli.pipelines.result import Result
from slt_cli.settings.files import SUFFIXES
from slt_cli.settings.load import Loaded, flat_values, load_settings
from slt_cli.settings.preset_files import list_presets
from slt_cli.settings.root import Settings, iter_fields

_Json = Annotated[bool, typer.Option("--json", metavar="", help="Print one JSON object on stdout.")]
_Preset = Annotated[
    str | None,
    typer.Option(
        "--preset", "-p", metavar="NAME", autocompletion=complete_presets(None), help="Preset."
    ),
]
_Config = Annotated[
    list[Path] | None, typer.Option("--config", "-c", metavar="FILE", help="Configuration file.")
]
_Set = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", autocompletion=complete_keys, help="Set a key."),
]


def register(app: typer.Typer) -> None:
    """Add the command group to `app`."""
    group = typer.Typer(help="Show, describe and compare settings.", no_args_is_help=True)
    app.add_typer(group, name="config")

    @group.command("show")
    def show(
        preset: _Preset = None, config: _Config = None, set_: _Set = None, json_: _Json = False
    ) -> Outcome:
        """Print every setting with its value and where it came from."""
        loaded = load_settings(
            preset=preset, config_files=config or [], environ=os.environ, assignments=set_ or []
        )
        rows = _rows(loaded)
        text = "\n".join(f"{key} = {value}  <- {place}" for key, value, place in rows)
        facts = {key: {"value": json.loads(value), "origin": place} for key, value, place in rows}
        result = Result("config show", text=text, warnings=loaded.notes, facts=facts)
        return Outcome(result, json_)

    @group.command("schema")
    def schema(
        markdown: Annotated[bool, typer.Option("--markdown", help="A table for the docs.")] = False,
    ) -> None:
        """Print the JSON schema of configuration files, for editors."""
        if markdown:
            print(settings_table())
        else:
            print(json.dumps(Settings.model_json_schema(), indent=2, ensure_ascii=False))

    @group.command("diff")
    def diff(
        first: Annotated[
            str, typer.Argument(metavar="A", help="Run folder, config file or preset.")
        ],
        second: Annotated[
            str, typer.Argument(metavar="B", help="Run folder, config file or preset.")
        ],
        json_: _Json = False,
    ) -> Outcome:
        """Print the settings in which two runs, files or presets differ."""
        a, b = _values_of(first), _values_of(second)
        changed = {
            k: {"a": a.get(k), "b": b.get(k)} for k in sorted({*a, *b}) if a.get(k) != b.get(k)
        }
        lines = [f"{k}: {json.dumps(v['a'])} -> {json.dumps(v['b'])}" for k, v in changed.items()]
        return Outcome(Result("config diff", text="\n".join(lines), facts=changed), json_)


def settings_table() -> str:
    """Markdown table of every setting: key, default, meaning."""
    lines = ["| key | default | meaning |", "| --- | --- | --- |"]
    for section, name, field in iter_fields():
        default = json.dumps(field.default, default=str, ensure_ascii=False)
        lines.append(f"| `{section}.{name}` | `{default}` | {field.description} |")
    return "\n".join(lines)


def _rows(loaded: Loaded) -> list[tuple[str, str, str]]:
    return [
        (key, json.dumps(value, ensure_ascii=False), loaded.origins.get(key, "default"))
        for key, value in flat_values(loaded.settings).items()
    ]


def _values_of(name: str) -> dict[str, Any]:
    path = Path(name)
    run_config = path / "config.json"
    if run_config.is_file():
        return _values_of_run(run_config)
    if path.suffix in SUFFIXES and path.is_file():
        return flat_values(load_settings(config_files=[path]).settings)
    if name.replace("_", "-") in {preset.name for preset in list_presets()}:
        return flat_values(load_settings(preset=name).settings)
    raise UsageError(
        "neither a run folder with config.json, nor a configuration file, nor a preset",
        where=name, hint="slt presets list",
    )  # fmt: skip


def _values_of_run(config: Path) -> dict[str, Any]:
    try:
        tree = json.loads(config.read_text("utf-8"))["settings"]
        return {f"{s}.{key}": value for s, fields in tree.items() for key, value in fields.items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(
            "not a config.json that slt train wrote", where=str(config), hint="give another run"
        ) from error
