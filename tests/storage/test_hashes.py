"""Hashes equal those of hashlib and do not depend on key order."""

import hashlib

import pytest

from slt_cli.storage.hashes import sha256_file, sha256_json


@pytest.mark.parametrize("size", [0, 1, 1 << 20, (1 << 20) + 1, 3_000_000])
def test_file_hash_equals_hashlib_over_the_whole_content(tmp_path, size):
    content = bytes(i % 251 for i in range(size))
    (tmp_path / "a.bin").write_bytes(content)
    assert sha256_file(tmp_path / "a.bin") == hashlib.sha256(content).hexdigest()


def test_json_hash_is_that_of_the_sorted_text():
    value = {"b": [1, 2.5, None], "a": "ñ"}
    text = '{"a": "ñ", "b": [1, 2.5, null]}'
    assert sha256_json(value) == hashlib.sha256(text.encode()).hexdigest()
    assert sha256_json(dict(reversed(value.items()))) == sha256_json(value)


@pytest.mark.parametrize("other", [{"a": 2}, {"a": "1"}, {"a": 1, "b": None}, [["a", 1]]])
def test_different_values_have_different_hashes(other):
    assert sha256_json(other) != sha256_json({"a": 1})


def test_file_names_that_are_not_utf8_can_be_hashed():
    assert sha256_json({"file": "clip-\udcff.mp4"}) != sha256_json({"file": "clip-.mp4"})
