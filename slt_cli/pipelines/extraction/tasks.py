"""The clips that a command asks for: whole sources or segments of them, all or a part."""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from slt_cli.corpus.paths import CorpusPaths
from slt_cli.corpus.segments import Segment, SegmentTable, read_segments
from slt_cli.corpus.tables import read_table, write_gloss_table, write_table
from slt_cli.errors import InputError, SltError, UsageError
from slt_cli.pipelines.extraction.inputs import (
    Source,
    clip_id,
    find_sources,
    names_from,
    source_id,
    spool_stdin,
)
from slt_cli.pipelines.extraction.pieces import ClipSpan
from slt_cli.settings.extract import ExtractSettings

_COLUMNS = ("video_id", "texto", "video", "start", "end")


@dataclass(frozen=True)
class Task:
    """One clip to be made from a source."""

    source: Source
    clip: ClipSpan
    segment: Segment | None = None


@dataclass
class Tasks:
    """The clips asked for, what could not be found, and what is worth a note."""

    tasks: list[Task] = field(default_factory=list)
    missing: dict[str, SltError] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def find_tasks(inputs: Sequence[str], settings: ExtractSettings, spool: Path | None) -> Tasks:
    """Clips of the sources named by `inputs` and `files_from`, cut by `segments`, then selected.

    `spool` is the folder that a video on stdin is copied into; without it the video is only named.
    Raises `UsageError` and `InputError` like the functions it uses.
    """
    names = list(inputs)
    if settings.files_from is not None:
        if settings.files_from == "-" and "-" in names:
            raise UsageError("stdin cannot be both the list and a video", where="-")
        names += names_from(settings.files_from, null=settings.null)
    stdin = "-" in names
    names = [name for name in names if name != "-"]
    found = Tasks()
    sources: list[Source] = []
    if names or not stdin:
        inputs_found = find_sources(names, leave_out=settings.output)
        sources = inputs_found.sources
        found.missing |= inputs_found.missing
        found.notes += inputs_found.notes
    if stdin:
        sources.append(Source("stdin", spool_stdin(spool) if spool else Path("-")))
    if settings.segments is not None:
        _cut(sources, read_segments(settings.segments, settings.columns), found)
    else:
        found.tasks = [Task(source, ClipSpan(source.video_id)) for source in sources]
    found.tasks = select(found.tasks, settings)
    return found


def select(tasks: Sequence[Task], settings: ExtractSettings) -> list[Task]:
    """Apply `shuffle`, `limit` and `shard`, in this order.

    Shards share out whole sources in the order of their ids, one each in turn: for equal inputs
    they are disjoint and together complete, and no source is decoded by two of them.
    """
    chosen = list(tasks)
    if settings.shuffle:
        random.Random(settings.seed).shuffle(chosen)
    chosen = chosen[: settings.limit]
    if settings.shard is not None:
        part, parts = parse_shard(settings.shard)
        mine = set(sorted({task.source.video_id for task in chosen})[part::parts])
        chosen = [task for task in chosen if task.source.video_id in mine]
    return chosen


def parse_shard(shard: str) -> tuple[int, int]:
    """`i/n` as numbers."""
    part, parts = shard.split("/")
    return int(part), int(parts)


def write_tables(corpus: CorpusPaths, segments: Sequence[Segment]) -> list[str]:
    """Write texts (and glosses, where there are any) of the segments into the corpus.

    Rows of other clips that an earlier run wrote stay. A table of another make is left alone;
    returns a note in that case.
    """
    notes = []
    rows = {
        s.clip_id: (clip_id(s.clip_id), s.text, s.video, _number(s.start_s), _number(s.end_s))
        for s in segments
    }
    path = corpus.metadata_csv
    if path.is_file():
        older = read_table(path)
        if older.columns != _COLUMNS:
            notes.append(f"{path} was there and is left as it is")
            rows = {}
        else:
            kept = {row.cells["video_id"]: tuple(row.cells.values()) for row in older.rows}
            rows = {**kept, **{row[0]: row for row in rows.values()}}  # type: ignore[dict-item]
    if rows:
        write_table(path, _COLUMNS, rows.values())
    glosses = {clip_id(s.clip_id): s.glosses for s in segments if s.glosses}
    if glosses and not corpus.gloss_csv.is_file():
        write_gloss_table(corpus.gloss_csv, glosses)
    return notes


def _number(seconds: float | None) -> str:
    return "" if seconds is None else f"{seconds:.3f}".rstrip("0").rstrip(".")


def _cut(sources: Sequence[Source], table: SegmentTable, found: Tasks) -> None:
    by_name = {source.video_id: source for source in sources}
    unfiled: Counter[str] = Counter()
    ids: Mapping[str, list[Segment]] = defaultdict(list)
    for segment in table.segments:
        source = by_name.get(clip_id(segment.video)) or by_name.get(source_id(Path(segment.video)))
        ids[clip_id(segment.clip_id)].append(segment)
        if source is None:
            unfiled[segment.video] += 1
        else:
            clip = ClipSpan(clip_id(segment.clip_id), segment.start_s, segment.end_s)
            found.tasks.append(Task(source, clip, segment))
    for name, same in ids.items():
        if len(same) > 1:
            raise InputError(
                f"{name} appears in lines {same[0].line} and {same[1].line}",
                where=str(table.path), hint=f"slt validate {table.path}",
            )  # fmt: skip
    for video, count in unfiled.items():
        found.missing[video] = UsageError(
            f"{count} clips of the table are in a video that was not given", where=video,
            hint="name its folder too, or --limit the table",
        )  # fmt: skip
    if table.unresolved:
        found.notes.append(
            f"{len(table.unresolved)} rows of {table.path} have no usable time: "
            f"slt validate {table.path} lists them"
        )
    used = {task.source.video_id for task in found.tasks}
    if idle := [source.video_id for source in sources if source.video_id not in used]:
        found.notes.append(f"{len(idle)} videos have no clip in {table.path}: {idle[0]} ...")
