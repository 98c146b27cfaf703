"""Every rule of `slt validate`: silent on a good corpus, and named when it is broken."""

from __future__ import annotations

from pathlib import Path

import pytest

from slt_cli.corpus.rules.check import RULES
from tests.corpus.rules.breakages import BREAKAGES
from tests.corpus.rules.made import findings, write_good_corpus


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_good_corpus(tmp_path / "corpus")


def test_a_good_corpus_has_no_findings(root: Path) -> None:
    assert findings(root) == {}


@pytest.mark.parametrize("rule", BREAKAGES)
def test_what_breaks_a_rule_is_found_and_named(root: Path, rule: str) -> None:
    breakage = BREAKAGES[rule]
    breakage.do(root)
    found = findings(root)
    assert found[rule].severity == breakage.severity
    assert breakage.says in found[rule].where[0]
    assert found.keys() - {rule} == breakage.also


def test_every_rule_is_broken_by_some_test() -> None:
    assert {rule.id for rule in RULES} == BREAKAGES.keys()


def test_ids_are_unique_and_every_rule_gives_its_reason() -> None:
    ids = [rule.id for rule in RULES]
    assert len(set(ids)) == len(ids)
    for rule in RULES:
        for words in (rule.title, rule.why):
            assert words.rstrip("."), rule.id
            assert not words.endswith("."), rule.id
