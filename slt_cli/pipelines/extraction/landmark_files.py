"""Landmark files of others, taken into the corpus clip by clip."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, islice
from pathlib import PurePosixPath

from slt_cli.corpus.manifest import read_manifest
from slt_cli.corpus.paths import CorpusPaths
from slt_cli.errors import SltError
from slt_cli.landmarks.formats import read_tracks
from slt_cli.landmarks.formats.track import LandmarkTrack
from slt_cli.pipelines.extraction.imports import import_annotations, import_track
from slt_cli.pipelines.extraction.inputs import clip_id
from slt_cli.pipelines.extraction.merged import Record
from slt_cli.pipelines.extraction.options import ExtractOptions
from slt_cli.pipelines.extraction.plan import clip_state, conflict
from slt_cli.pipelines.extraction.source import SourceFile


def import_all(
    source: SourceFile, name: str, corpus: CorpusPaths, options: ExtractOptions,
    *, overwrite: bool, limit: int | None,
) -> Iterator[tuple[str, Record | SltError]]:  # fmt: skip
    """Import the first `limit` clips of a landmark file, and the texts that come with them.

    The only clip of a file is called `name`; of many, each has its own name. Clips that are there
    already, from the same file, have the status `skipped`; those in the way are errors.
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
    import_annotations(source.path, corpus)


def _clips(source: SourceFile, name: str) -> Iterator[tuple[str, LandmarkTrack]]:
    tracks = read_tracks(source.path)
    first = list(islice(tracks, 2))
    if len(first) == 1:
        yield name, first[0][1]
        return
    for own_name, track in chain(first, tracks):
        yield clip_id(PurePosixPath(own_name).name), track
