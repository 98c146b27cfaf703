from __future__ import annotations

from pathlib import Path

import pytest

from slt_cli.corpus.paths import CorpusPaths
from slt_cli.corpus.tables import read_meta
from slt_cli.errors import InputError, UsageError
from slt_cli.pipelines.extraction.inputs import Source
from slt_cli.pipelines.extraction.pieces import ClipSpan
from slt_cli.pipelines.extraction.tasks import Task, find_tasks, select, write_tables
from slt_cli.settings.extract import ExtractSettings

TABLE = """id;text;video;start;end
v_0;hola;v;0.5;1.5
v_1;adiós;v;1.5;2.25
w_0;gracias;w;0;1
x_0;sí;x;0;1
"""


def tasks_of(count: int) -> list[Task]:
    names = [f"clip{number:02d}" for number in range(count)]
    return [Task(Source(name, Path(f"{name}.mp4")), ClipSpan(name)) for name in names]


def names(tasks: list[Task]) -> list[str]:
    return [task.clip.video_id for task in tasks]


@pytest.mark.parametrize("parts", [1, 3, 7, 40])
def test_shards_are_disjoint_and_complete(parts: int) -> None:
    tasks = tasks_of(20)
    shares = [
        names(select(tasks, ExtractSettings(shard=f"{part}/{parts}"))) for part in range(parts)
    ]
    assert sorted(name for share in shares for name in share) == names(tasks)
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


def test_clips_of_one_video_stay_in_one_shard() -> None:
    source = Source("long", Path("long.mp4"))
    tasks = [Task(source, ClipSpan(f"long_{i}", i, i + 1)) for i in range(5)] + tasks_of(3)
    shares = [set(names(select(tasks, ExtractSettings(shard=f"{i}/2")))) for i in range(2)]
    assert {f"long_{i}" for i in range(5)} in [
        {name for name in share if name.startswith("long")} for share in shares
    ]


def test_a_seed_gives_the_same_few_clips_again() -> None:
    few = ExtractSettings(limit=4, shuffle=True, seed=3)
    chosen = names(select(tasks_of(20), few))
    assert len(chosen) == 4
    assert chosen == names(select(tasks_of(20), few))
    assert chosen != names(select(tasks_of(20), ExtractSettings(limit=4, shuffle=True, seed=4)))
    assert names(select(tasks_of(20), ExtractSettings(limit=2))) == ["clip00", "clip01"]


@pytest.fixture
def lsa(tmp_path: Path) -> ExtractSettings:
    (tmp_path / "meta.csv").write_text(TABLE, "utf-8")
    for name in ("v.mp4", "w.mkv", "idle.mp4"):
        (tmp_path / name).touch()
    return ExtractSettings(segments=tmp_path / "meta.csv", output=tmp_path / "corpus")


def test_a_table_cuts_clips_out_of_the_videos_that_are_there(
    tmp_path: Path, lsa: ExtractSettings
) -> None:
    found = find_tasks([str(tmp_path)], lsa, None)
    assert [(t.source.path.name, t.clip) for t in found.tasks] == [
        ("v.mp4", ClipSpan("v_0", 0.5, 1.5)), ("v.mp4", ClipSpan("v_1", 1.5, 2.25)),
        ("w.mkv", ClipSpan("w_0", 0.0, 1.0)),
    ]  # fmt: skip
    assert "1 clips" in found.missing["x"].message
    assert any("idle" in note for note in found.notes)


def test_texts_of_the_table_come_into_the_corpus_and_earlier_rows_stay(
    tmp_path: Path, lsa: ExtractSettings
) -> None:
    corpus = CorpusPaths.from_root(tmp_path / "corpus")
    segments = [t.segment for t in find_tasks([str(tmp_path)], lsa, None).tasks if t.segment]
    write_tables(corpus, segments[:2])
    write_tables(corpus, segments[1:])
    assert read_meta(corpus.metadata_csv) == {"v_0": "hola", "v_1": "adiós", "w_0": "gracias"}
    corpus.metadata_csv.write_text("video_id;texto\nother;mine\n", "utf-8")
    assert "left as it is" in write_tables(corpus, segments)[0]
    assert read_meta(corpus.metadata_csv) == {"other": "mine"}


def test_an_id_that_stands_twice_is_refused_with_its_lines(
    tmp_path: Path, lsa: ExtractSettings
) -> None:
    (tmp_path / "meta.csv").write_text(TABLE + "v_0;otra;w;2;3\n", "utf-8")
    with pytest.raises(InputError, match="lines 2 and"):
        find_tasks([str(tmp_path)], lsa, None)


def test_stdin_cannot_be_list_and_video() -> None:
    with pytest.raises(UsageError, match="both"):
        find_tasks(["-"], ExtractSettings(files_from="-"), None)
