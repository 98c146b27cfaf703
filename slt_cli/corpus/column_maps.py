"""Which columns of a table hold what: data in `column_maps.toml`, or in a file of one's own."""

from __future__ import annotations

import functools
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from difflib import get_close_matches
from importlib.resources import files
from pathlib import Path
from typing import Any

from slt_cli.errors import UsageError

_OTHERS = {"name", "header", "delimiter", "quotes"}


@dataclass(frozen=True)
class ColumnMap:
    """The accepted names, best first, of each column that a table may have.

    A table is recognised by the names in `header`. `delimiter` is None where the header decides,
    and `quotes` is False where a quotation mark is an ordinary character.
    """

    name: str
    header: tuple[str, ...] = ()
    delimiter: str | None = None
    quotes: bool = True
    id: tuple[str, ...] = ()
    text: tuple[str, ...] = ()
    gloss: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    signer: tuple[str, ...] = ()
    video: tuple[str, ...] = ()
    start: tuple[str, ...] = ()
    end: tuple[str, ...] = ()
    duration: tuple[str, ...] = ()
    frames: tuple[str, ...] = ()
    pieces: tuple[str, ...] = ()
    before: tuple[str, ...] = ()
    after: tuple[str, ...] = ()

    def fits(self, header: Iterable[str]) -> bool:
        """Whether all names that identify this map are among the columns `header`."""
        return {n.casefold() for n in self.header} <= {column.casefold() for column in header}

    def names(self, role: str) -> tuple[str, ...]:
        """Accepted names of the column that plays `role` (`id`, `text`, `start`, ...)."""
        names: tuple[str, ...] = getattr(self, role)
        return names

    def all_names(self) -> list[str]:
        """Every column name that this map knows."""
        return [name for role in sorted(ROLES) for name in self.names(role)]


ROLES = frozenset(field.name for field in fields(ColumnMap)) - _OTHERS
"""What a column can be."""


@functools.cache
def known_maps() -> Mapping[str, ColumnMap]:
    """The maps that come with the package, by name."""
    text = files("slt_cli.corpus").joinpath("column_maps.toml").read_text("utf-8")
    return {name: _parse(name, values, name) for name, values in tomllib.loads(text).items()}


def named_map(name_or_path: str) -> ColumnMap:
    """A known map, or the one in a `.toml` file.

    Raises `UsageError` for a name nobody knows, and for a file with unknown keys or wrong values.
    """
    if name_or_path in known_maps():
        return known_maps()[name_or_path]
    if not name_or_path.endswith(".toml"):
        near = get_close_matches(name_or_path, known_maps(), n=1)
        raise UsageError(
            f"unknown column map {name_or_path}" + (f"; is {near[0]} meant?" if near else ""),
            where="--columns", hint=f"one of {', '.join(known_maps())}, or your own FILE.toml",
        )  # fmt: skip
    path = Path(name_or_path)
    try:
        values = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise UsageError(
            f"column map cannot be read ({error.strerror})", where=name_or_path,
            hint=f"one of {', '.join(known_maps())}, or a file with the same keys",
        ) from error  # fmt: skip
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"not a TOML file: {error}", where=name_or_path) from error
    return _parse(path.stem, values, name_or_path)


def column_map(name_or_path: str | None, header: Sequence[str]) -> ColumnMap:
    """The map named, or when None the one that `header` fits best."""
    if name_or_path is not None:
        return named_map(name_or_path)
    fitting = [candidate for candidate in known_maps().values() if candidate.fits(header)]
    return max(fitting, key=lambda candidate: len(candidate.header))


def _parse(name: str, values: Mapping[str, Any], where: str) -> ColumnMap:
    """Check the keys and types of one map; a single name may stand without brackets."""
    given: dict[str, Any] = {"name": name}
    for key, value in values.items():
        if key not in ROLES | (_OTHERS - {"name"}):
            near = get_close_matches(key, ROLES | _OTHERS, n=1)
            raise UsageError(
                f"unknown key {key} in a column map" + (f"; is {near[0]} meant?" if near else ""),
                where=where, hint="the keys are " + ", ".join(sorted(ROLES | _OTHERS - {"name"})),
            )  # fmt: skip
        given[key] = _value(key, value, where)
    return ColumnMap(**given)


def _value(key: str, value: Any, where: str) -> Any:
    if key == "quotes" and isinstance(value, bool):
        return value
    if key == "delimiter" and isinstance(value, str) and len(value) == 1:
        return value
    names = [value] if isinstance(value, str) else value
    if key in {"quotes", "delimiter"} or not (
        isinstance(names, list) and all(isinstance(name, str) and name for name in names)
    ):
        wanted = {"quotes": "true or false", "delimiter": "one character"}.get(key, "column names")
        raise UsageError(f"{key} must be {wanted}, not {value!r}", where=where)
    return tuple(names)
