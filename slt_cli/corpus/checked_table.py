"""An annotation table under inspection, and what a rule about it is."""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from slt_cli.corpus.outliers import Outlier, find_outliers
from slt_cli.corpus.repairs import find_repairs
from slt_cli.corpus.rules.finding import Severity
from slt_cli.corpus.rules.rule import Rule
from slt_cli.corpus.segments import Repair, segments_of
from slt_cli.corpus.tables import Row, Table
from slt_cli.corpus.text_coder import TextCoder


@dataclass(frozen=True)
class TableLimits:
    """Thresholds of the rules.

    A duration stands out when it differs from the median by `duration_factor`, a clip when it is
    `distance_s` seconds from its neighbours. `temporal_stride` is the frames per step of the gloss
    head. With a `coder`, texts of too many or unknown tokens are reported.
    """

    duration_factor: float = 2.0
    distance_s: float = 5.0
    temporal_stride: int = 4
    coder: TextCoder | None = None


class CheckedTable:
    """A table under inspection, with what several rules need, computed once."""

    def __init__(self, table: Table, limits: TableLimits) -> None:
        self.table = table
        self.limits = limits
        self.segments = segments_of(table)

    @property
    def coder(self) -> TextCoder | None:
        """The tokenizer, when one is given."""
        return self.limits.coder

    @cached_property
    def outliers(self) -> list[Outlier]:
        """Clips that stand out."""
        limits = self.limits
        return find_outliers(self.table, self.segments, limits.duration_factor, limits.distance_s)

    def cells(self, role: str) -> Iterator[tuple[Row, str]]:
        """Rows with their cell of the column that plays `role`; none where there is no such."""
        column = self.table.find(role)
        for row in self.table.rows if column else ():
            yield row, row.cells[column or ""]

    @cached_property
    def repairs(self) -> list[Repair]:
        """What `--fix` would change."""
        return list(find_repairs(self.table, self.segments))

    @cached_property
    def tokens(self) -> dict[int, Sequence[int]]:
        """Token ids of each text, by line; empty without a tokenizer."""
        if self.coder is None:
            return {}
        return {row.line: self.coder.encode(text) for row, text in self.cells("text") if text}

    @property
    def unknown_rate(self) -> float:
        """Share of tokens that the tokenizer does not know."""
        total = sum(len(tokens) for tokens in self.tokens.values())
        return sum(map(self.unknown, self.tokens.values())) / total if total else 0.0

    def unknown(self, tokens: Sequence[int]) -> int:
        """How many of `tokens` are the unknown one."""
        return sum(self.coder is not None and t == self.coder.unknown_id for t in tokens)

    def place(self, row: Row) -> str:
        """How findings name a row: its line and its id."""
        column = self.table.find("id")
        return f"line {row.line} ({row.cells[column]})" if column else f"line {row.line}"


@dataclass(frozen=True)
class TableRule(Rule):
    """`find(checked)` yields the lines at fault."""

    find: Callable[[CheckedTable], Iterable[str]]


def table_rule(
    id: str, severity: Severity, title: str, *, why: str
) -> Callable[[Callable[[CheckedTable], Iterable[str]]], TableRule]:
    """Make a function of a table a rule."""
    return lambda find: TableRule(id, severity, title, why, find)


def alike(
    cells: Iterable[tuple[Row, str]], kind: Callable[[str], str]
) -> Mapping[str, list[tuple[Row, str]]]:
    """Rows with their cells, by the `kind` of the cell."""
    groups: dict[str, list[tuple[Row, str]]] = defaultdict(list)
    for row, cell in cells:
        groups[kind(cell)].append((row, cell))
    return groups


def folded(text: str) -> str:
    """`text` without case and accents, every run of punctuation and spaces as one hyphen."""
    letters = unicodedata.normalize("NFKD", text.casefold())
    return re.sub(r"[\W_]+", "-", "".join(c for c in letters if not unicodedata.combining(c)))


def lines(rows: Sequence[tuple[Row, str]]) -> str:
    """How a place of several rows is written."""
    return "lines " + ", ".join(str(row.line) for row, _ in rows)
