"""`card.md`: what a bundle is, for whoever receives it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from slt_cli.export.preprocess import Preprocess

_CARD = """# {name}

Translates signing to text. Exported by slt {version} from a run trained on {trained_on}.

| input | value |
|---|---|
| streams | {streams} |
| landmarks | {landmarks} |
| normalisation | {normalisation} |
| longest clip | {sequence_length} frames, longer ones are thinned evenly in time |
| output | at most {max_length} tokens; {glosses} |

## Scores

{scores}

## Use

    slt translate VIDEO --model {name}

or in Python, without torch (`onnxruntime`, `tokenizers` and `numpy`):

    from pathlib import Path
    from slt_cli.export.runtime import BundleTranslator
    texts = BundleTranslator(Path("{name}")).translate(streams, valid, frame_valid)

`preprocess.json` describes the inputs, `manifest.json` holds the SHA-256 of every file.
"""


def card_text(
    name: str,
    preprocess: Preprocess,
    *,
    version: str,
    train_clips: int | None,
    scores: Sequence[str],
) -> str:
    """The card; `scores` are lines with everything needed to read them."""
    streams = [f"{part} ({n} points)" for part, n in preprocess.num_points.items()]
    streams = streams if "keypoints" in preprocess.streams else []
    streams += [stream for stream in preprocess.streams if stream != "keypoints"]
    return _CARD.format(
        name=name, version=version,
        trained_on=f"{train_clips} clips" if train_clips else "a corpus that was not at hand",
        streams=", ".join(streams), landmarks=_landmarks(preprocess.landmarks),
        normalisation=preprocess.normalisation, sequence_length=preprocess.sequence_length,
        max_length=preprocess.max_length,
        glosses=f"{len(preprocess.glosses)} glosses" if preprocess.glosses else "no glosses",
        scores="\n".join(f"- {line}" for line in scores) or "Not evaluated: slt eval RUN.",
    )  # fmt: skip


def _landmarks(landmarks: Mapping[str, Any]) -> str:
    words = [str(landmarks[key]) for key in ("layout", "name", "version") if landmarks.get(key)]
    return " ".join(words) or "unknown"
