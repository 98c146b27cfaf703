from __future__ import annotations

from pathlib import Path

import pytest

from slt_cli.corpus.paths import CorpusPaths
from slt_cli.data.annotations import gloss_vocabulary, read_split
from slt_cli.data.dataset import ClipDataset
from slt_cli.data.inputs import ModelInputs
from slt_cli.data.tokenizer import TextTokenizer
from slt_cli.errors import InputError
from tests.corpora import write_corpus

TABLES = {
    "no column of numbers": "video_id;gloss\ntrain_000;YO CASA YO\nval_000;YO MAR\n",
    "empty column": "video_id;gloss;ctc_labels\ntrain_000;YO CASA YO;\nval_000;YO MAR;\n",
    "numbers": "video_id;gloss;ctc_labels\ntrain_000;YO CASA YO;7 3 7\nval_000;YO MAR;7 9\n",
}


@pytest.fixture
def corpus(tmp_path: Path) -> CorpusPaths:
    return CorpusPaths.from_root(write_corpus(tmp_path, train=2, val=1, test=1, frames=4))


@pytest.mark.parametrize("table", TABLES.values(), ids=TABLES)
def test_gloss_ids_are_made_from_the_glosses_of_training(corpus: CorpusPaths, table: str) -> None:
    """Numbers in the table or not; a gloss that only validation has gets no id."""
    corpus.gloss_csv.write_text(table, "utf-8")
    train, val = read_split(corpus, "train"), read_split(corpus, "val")
    glosses = gloss_vocabulary(train)
    assert glosses == ["CASA", "YO"]
    found = []
    for records in (train, val):
        made = ClipDataset(
            corpus, records, inputs=ModelInputs(("keypoints",), 8),
            tokenizer=TextTokenizer.train(["x"], 300), glosses=glosses, max_target_length=8,
            augment=None, seed=0,
        )  # fmt: skip
        sample = made[0, 0]
        found.append((sample.glosses, sample.gloss_text))
    assert found == [([2, 1, 2], "YO CASA YO"), ([2], "YO MAR")]


def test_clips_without_glosses_have_none(corpus: CorpusPaths) -> None:
    corpus.gloss_csv.write_text(TABLES["numbers"], "utf-8")
    assert [record.glosses for record in read_split(corpus, "train")] == [("YO", "CASA", "YO"), ()]
    corpus.gloss_csv.unlink()
    assert gloss_vocabulary(read_split(corpus, "train")) == []


def test_ids_without_text_are_named(corpus: CorpusPaths) -> None:
    corpus.train_index.write_text("video_id\ntrain_000\nnobody\n", "utf-8")
    with pytest.raises(InputError, match="1 ids have no text: nobody") as caught:
        read_split(corpus, "train")
    assert caught.value.where == str(corpus.train_index)
