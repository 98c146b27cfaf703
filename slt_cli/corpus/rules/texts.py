"""Whether the tables can be read and name the clips that are there."""

from __future__ import annotations

from collections.abc import Iterator

from slt_cli.corpus.rules.corpus import Corpus
from slt_cli.corpus.rules.rule import corpus_rule


@corpus_rule(
    "A001", "error", "table cannot be read",
    why="encoding, quotes, columns, repeated ids or empty cells: training stops there",
)  # fmt: skip
def tables_readable(corpus: Corpus) -> Iterator[str]:
    """Texts, glosses and splits are tables."""
    yield from corpus.table_errors


@corpus_rule("A002", "warning", "no texts", why="training needs what the clips say")
def has_texts(corpus: Corpus) -> Iterator[str]:
    """There is a meta.csv."""
    if not corpus.paths.metadata_csv.is_file():
        yield str(corpus.paths.metadata_csv)


@corpus_rule("A003", "warning", "clip without text", why="it cannot be used for training")
def clips_have_text(corpus: Corpus) -> Iterator[str]:
    """Every clip is in meta.csv."""
    if corpus.paths.metadata_csv.is_file():
        yield from sorted(corpus.ids - corpus.texts.keys())


@corpus_rule(
    "A004", "warning", "text without clip", why="its video was not extracted, or the id differs"
)  # fmt: skip
def texts_have_clips(corpus: Corpus) -> Iterator[str]:
    """Every row of meta.csv has a clip."""
    yield from sorted(corpus.texts.keys() - corpus.ids)
