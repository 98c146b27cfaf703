"""Landmark files of others, taken into the corpus clip by clip."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from itertools import islice

from slt_cli.corpus.manifest import read_manifest
from slt_cli.corpus.paths import CorpusPaths
from slt_cli.errors import SltError
from slt_cli.landmarks.formats import read_tracks
from slt_cli.landmarks.formats.track import LandmarkTrack
from slt_cli.pipelines.extraction.imports import import_annotations, import_track
from slt_cli.pipelines.extraction.inputs import member_id
from slt_cli.pipelines.extraction.merged import Record
from slt_cli.pipelines.extraction.options import ExtractOptions
from slt_cli.pipelines.extraction.plan import clip_state, conflict
from slt_cli.pipelines.extraction.source import SourceFile


def import_all(
    source: SourceFile, name: str, corpus: CorpusPaths, options: ExtractOptions,
    *, overwrite: bool, limit: int | None,
) -> Generator[tuple[str, Record | SltError], None, list[str]]:  # fmt: skip
    """Import the first `limit` clips of a landmark file, and the texts that come with them.

    The clip of a file is called `name`; in a file that may hold many, each has its own name. Clips
    that are there already, from the same file, have the status `skipped`; those in the way are
    errors. Returns notes: texts of the corpus that say something else than the file.
    """
    manifest = read_manifest(corpus.manifest)
    wanted = {"sha256": source.sha256, "settings": options.fingerprint(), "span": None}
    for video_id, track in islice(_clips(source, name), limit):
        record = manifest.get(video_id, {})
        if corpus.keypoints(video_id).exists():
            state = clip_state(corpus, video_id, record, wanted)
            if state == "finished":
                yield video_id, {**record, "status": "skipped"}
                continue
            if state == "other" and not overwrite:
                yield video_id, conflict([video_id], corpus.root)
                continue
        try:
            answer: Record | SltError = import_track(
                track, source.path, source.sha256, corpus, video_id, options
            )
        except SltError as error:
            answer = error
        yield video_id, answer
    return import_annotations(source.path, corpus)


def _clips(source: SourceFile, name: str) -> Iterator[tuple[str, LandmarkTrack]]:
    for _, track in read_tracks(source.path):
        yield (member_id(track.member) if track.member else name), track
