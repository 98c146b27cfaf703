"""Read configuration files: YAML 1.2, JSON and TOML, each refused rather than guessed at."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from slt_cli.errors import UsageError

MAX_ALIASES = 20  # a hand-written file needs a few; 20 cannot multiply into a bomb
MAX_DEPTH = 50
SUFFIXES = {".yaml", ".yml", ".json", ".toml"}


def read_config(path: Path) -> dict[str, Any]:
    """Return the mapping in a configuration file.

    Raises `UsageError` for a missing file, a wrong suffix, duplicate keys, tags, NaN or bad syntax.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise UsageError(
            f"configuration files end in {', '.join(sorted(SUFFIXES))}", where=str(path)
        )
    try:
        text = path.read_text("utf-8-sig")
    except FileNotFoundError as error:
        raise UsageError(
            "no such configuration file", where=str(path), hint="slt presets list"
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"cannot be read: {error}", where=str(path)) from error
    return parse_config(text, path.suffix.lower(), str(path))


def parse_config(text: str, suffix: str, where: str) -> dict[str, Any]:
    """Parse configuration text of the given suffix; `where` names it in errors."""
    parsers: dict[str, Callable[[str], Any]] = {".json": _parse_json, ".toml": tomllib.loads}
    parse = parsers.get(suffix, _parse_yaml)
    try:
        value = parse(text)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"not valid {suffix[1:].upper()}: {error}", where=where) from error
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise UsageError(f"must hold sections, not a {type(value).__name__}", where=where)
    return value


def line_of(text: str, section: str, name: str | None) -> int | None:
    """1-based line of `section.name` (or of the section alone), for error messages.

    Where the entry cannot be told from its neighbours, the line of its section.
    """
    header = re.compile(rf'^\s*[\[{{"\']*{re.escape(section)}["\'\]]*\s*(:|=|\.|#|$)')
    entry = re.compile(rf'^\s*["\']?{re.escape(name or "")}["\']?\s*(:|=)')
    other_section = re.compile(r"^(\w+\s*:|\[)")
    first, inside = None, False
    for number, line in enumerate(text.splitlines(), 1):
        if found := header.match(line):
            if name is None or re.search(rf"\b{re.escape(name)}\b", line[found.end() :]):
                return number
            first, inside = first or number, True
        elif other_section.match(line):
            inside = False
        elif inside and entry.match(line):
            return number
    return first


def _parse_json(text: str) -> Any:
    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        keys = [key for key, _ in pairs]
        for key in keys:
            if keys.count(key) > 1:
                raise ValueError(f"key {key!r} is written twice")
        return dict(pairs)

    def refuse(constant: str) -> None:
        raise ValueError(f"{constant} is not a JSON number")

    return json.loads(text, object_pairs_hook=unique, parse_constant=refuse)


def _parse_yaml(text: str) -> Any:
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        _refuse_bombs(YAML(typ="safe", pure=True).parse(text))
        return YAML(typ="safe", pure=True).load(text)
    except YAMLError as error:
        raise ValueError(" ".join(str(error).split())[:300]) from error


def _refuse_bombs(events: Iterable[Any]) -> None:
    """Stop at nesting or aliases that no hand-written file has, before they cost anything."""
    from ruamel.yaml.events import AliasEvent, CollectionEndEvent, CollectionStartEvent

    depth = aliases = 0
    for event in events:
        depth += isinstance(event, CollectionStartEvent) - isinstance(event, CollectionEndEvent)
        aliases += isinstance(event, AliasEvent)
        if depth > MAX_DEPTH:
            raise ValueError(f"nested more than {MAX_DEPTH} deep")
        if aliases > MAX_ALIASES:
            raise ValueError(f"more than {MAX_ALIASES} aliases")
