"""The rules of ids, texts and glosses, in a table of whatever corpus."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from difflib import get_close_matches

from slt_cli.corpus import gloss_labels
from slt_cli.corpus.checked_table import CheckedTable, alike, folded, lines, table_rule
from slt_cli.corpus.segments import number
from slt_cli.corpus.tables import Row, ctc_frames

UNKNOWN_RATE = 0.01


@table_rule("A010", "error", "row without id", why="nothing can be found by it")
def ids_given(checked: CheckedTable) -> Iterator[str]:
    """Every row has an id."""
    yield from (f"line {row.line}" for row, clip_id in checked.cells("id") if not clip_id)


@table_rule("A011", "error", "id of more than one row", why="one of the clips would be lost")
def ids_unique(checked: CheckedTable) -> Iterator[str]:
    """No id is used twice."""
    for clip_id, rows in alike(checked.cells("id"), str).items():
        if clip_id and len(rows) > 1:
            yield f"{lines(rows)}: {clip_id}"


@table_rule("A012", "error", "clip without text", why="there is nothing to learn from it")
def texts_given(checked: CheckedTable) -> Iterator[str]:
    """Every row has a text, where the table has texts."""
    yield from (checked.place(row) for row, t in checked.cells("text") if not t)


@table_rule(
    "A013", "error", "control or replacement character", why="the text was damaged on its way here"
)
def characters_sound(checked: CheckedTable) -> Iterator[str]:
    """No text or gloss holds U+0000..U+001F, U+007F..U+009F or U+FFFD."""
    for row, text in _texts(checked):
        odd = sorted({c for c in text if unicodedata.category(c) == "Cc" or c == "\ufffd"})
        if odd:
            yield f"line {row.line}: {', '.join(f'U+{ord(c):04X}' for c in odd)}"


@table_rule(
    "A014", "warning", "accents as characters of their own (NFD)",
    why="equal words compare unequal elsewhere; slt reads them composed, --fix writes them so",
)  # fmt: skip
def texts_composed(checked: CheckedTable) -> Iterator[str]:
    """Texts and glosses are in Unicode's NFC."""
    yield from (f"line {r.line}: {r.after}" for r in checked.repairs if r.rule == "nfc")


@table_rule(
    "A015", "warning", "fewer cells than columns", why="cells may stand under the wrong column"
)
def rows_complete(checked: CheckedTable) -> Iterator[str]:
    """Every row has a cell under every column."""
    columns = len(checked.table.columns)
    for row in checked.table.rows:
        if row.raw and len(row.raw) < columns:
            yield f"line {row.line}: {len(row.raw)} of {columns} cells"


@table_rule(
    "A016", "warning", "ids that differ in case or accents only",
    why="they are one file on many disks",
)  # fmt: skip
def ids_distinct(checked: CheckedTable) -> Iterator[str]:
    """Ids stay different when case and accents are dropped."""
    for rows in alike(checked.cells("id"), folded).values():
        names = {checked_id for _, checked_id in rows}
        if len(names) > 1:
            yield f"{lines(rows)}: {', '.join(sorted(names))}"


@table_rule(
    "A018", "warning", "column that nobody reads but resembles one that is read",
    why="a misspelled name makes its cells invisible",
)  # fmt: skip
def columns_spelled(checked: CheckedTable) -> Iterator[str]:
    """Unknown columns are not nearly known ones."""
    known = {name.casefold() for name in checked.table.map.all_names()}
    for column in checked.table.columns:
        near = get_close_matches(column.casefold(), known, n=1, cutoff=0.8)
        if near and column.casefold() not in known:
            yield f"{column}: is {near[0]} meant?"


@table_rule("A019", "error", "table without rows", why="there is nothing to check")
def rows_there(checked: CheckedTable) -> Iterator[str]:
    """There is a row below the header."""
    if not checked.table.rows:
        yield str(checked.table.path)


@table_rule(
    "A030", "error", "text longer than the decoder's limit",
    why="its end would be cut off in training; raise --max-target-length or shorten the clip",
)  # fmt: skip
def texts_fit(checked: CheckedTable) -> Iterator[str]:
    """Texts have at most the largest number of tokens."""
    for line, tokens in checked.tokens.items():
        if checked.coder and len(tokens) > checked.coder.longest:
            yield f"line {line}: {len(tokens)} tokens, at most {checked.coder.longest}"


@table_rule(
    "A031", "warning", "text that the tokenizer does not fully know", why="it cannot be produced"
)
def texts_known(checked: CheckedTable) -> Iterator[str]:
    """No token of a text is the unknown one."""
    for row, text in checked.cells("text"):
        tokens = checked.tokens.get(row.line, ())
        if unknown := checked.unknown(tokens):
            yield f"line {row.line}: {unknown} of {len(tokens)} tokens of {text[:60]!r}"


@table_rule(
    "A032", "error", "tokenizer of another language or script",
    why="more than 1 % of the tokens are unknown; train one on these texts",
)  # fmt: skip
def tokenizer_fits(checked: CheckedTable) -> Iterator[str]:
    """At most 1 % of the tokens are unknown."""
    if checked.unknown_rate > UNKNOWN_RATE:
        yield f"{checked.unknown_rate:.1%} of the tokens"


@table_rule(
    "G001", "error", "too short for its glosses",
    why="CTC needs a step per gloss and a blank between equal ones; its loss would be infinite",
)  # fmt: skip
def ctc_feasible(checked: CheckedTable) -> Iterator[str]:
    """Where the table tells the frames, their steps suffice for the glosses."""
    frames = {row.line: number(cell) for row, cell in checked.cells("frames")}
    for row, cell in checked.cells("gloss"):
        count, needed = frames.get(row.line), ctc_frames(cell.split())
        if count is not None and -(-count // checked.limits.temporal_stride) < needed:
            yield f"{checked.place(row)}: {count:g} frames for {needed} CTC steps"


@table_rule("G003", "error", gloss_labels.TITLE, why=gloss_labels.WHY)
def labels_fit(checked: CheckedTable) -> Iterator[str]:
    """One number per gloss, always the same for the same gloss."""
    glosses = {row.line: cell.split() for row, cell in checked.cells("gloss")}
    yield from gloss_labels.label_faults(
        (f"line {row.line}", glosses.get(row.line, []), cell.split())
        for row, cell in checked.cells("labels")
        if cell
    )


def _texts(checked: CheckedTable) -> Iterator[tuple[Row, str]]:
    yield from checked.cells("text")
    yield from checked.cells("gloss")
