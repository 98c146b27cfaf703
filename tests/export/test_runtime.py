from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from slt_cli.errors import InputError
from slt_cli.evaluation.decoding import translate_batch
from slt_cli.export.parity import check_text, random_batch, random_batches
from slt_cli.export.runtime import BundleTranslator
from slt_cli.models.translator import SltModel
from slt_cli.pipelines.result import silent
from tests.export.small_bundle import GLOSSES, small_preprocess


@pytest.fixture(scope="module")
def translator(bundle: Path) -> BundleTranslator:
    return BundleTranslator(bundle)


def clip_arrays(
    *, clips: int, frames: int, seed: int = 0
) -> tuple[dict[str, Any], dict[str, Any], np.ndarray]:
    batch = random_batch(
        small_preprocess(), np.random.default_rng(seed), clips=clips, frames=frames
    )
    streams = {name: tensor.numpy() for name, tensor in batch.streams.items()}
    valid = {name: tensor.numpy() for name, tensor in batch.valid.items()}
    return streams, valid, batch.frame_valid.numpy()


@pytest.mark.parametrize(("beams", "penalty"), [(1, 1.0), (3, 0.0), (4, 1.0), (5, 2.0)])
def test_texts_and_glosses_equal_the_model(
    translator: BundleTranslator, model: SltModel, beams: int, penalty: float
) -> None:
    spec = small_preprocess()
    different = set()
    for batch in random_batches(spec, clips=24, per_batch=6):
        arrays = (
            {name: tensor.numpy() for name, tensor in batch.streams.items()},
            {name: tensor.numpy() for name, tensor in batch.valid.items()},
            batch.frame_valid.numpy(),
        )
        expected = translate_batch(
            model, batch, translator.tokenizer, GLOSSES,
            beams=beams, length_penalty=penalty, max_length=spec.max_length,
        )  # fmt: skip
        texts = translator.translate(*arrays, beams=beams, length_penalty=penalty)
        glosses = translator.glosses(translator.encode(*arrays))
        assert texts == [hypothesis.prediction for hypothesis in expected]
        assert glosses == [hypothesis.gloss_prediction for hypothesis in expected]
        different |= {(text, gloss) for text, gloss in zip(texts, glosses, strict=True)}
    assert len(different) >= 10  # otherwise this test would prove little


def test_the_text_check_counts_what_it_saw(translator: BundleTranslator, model: SltModel) -> None:
    def check(clips: int) -> Any:
        batches = random_batches(small_preprocess(), clips=clips, per_batch=8)
        return check_text(
            model, translator, batches, source="random inputs", beams=3, length_penalty=1.0,
            report=silent,
        )  # fmt: skip

    few, many = check(2), check(64)
    assert (few.clips, few.compared, few.informative) == (2, 4, False)
    assert (many.clips, many.compared) == (64, 128)
    assert many.informative == (many.distinct >= 20)


def test_a_clip_says_the_same_alone_as_in_a_padded_batch(translator: BundleTranslator) -> None:
    streams, valid, frame_valid = clip_arrays(clips=4, frames=21)
    together = translator.translate(streams, valid, frame_valid)
    for clip, length in enumerate(frame_valid.sum(1)):
        part = (slice(clip, clip + 1), slice(0, length))
        alone = translator.translate(
            {name: array[part] for name, array in streams.items()},
            {name: array[part] for name, array in valid.items()},
            frame_valid[part],
        )
        assert alone == [together[clip]]


def test_wrong_inputs_are_refused_by_name(translator: BundleTranslator) -> None:
    streams, valid, frame_valid = clip_arrays(clips=2, frames=5)
    without = {name: array for name, array in streams.items() if name != "keypoints_body"}
    with pytest.raises(InputError, match="keypoints_body must have"):
        translator.encode(without, valid, frame_valid)
    with pytest.raises(InputError, match="no stream pose"):
        translator.encode({**streams, "pose": np.zeros((2, 5, 4, 3))}, valid, frame_valid)
    with pytest.raises(InputError, match="keypoints_body_valid must have"):
        translator.encode(streams, {**valid, "keypoints_body": frame_valid}, frame_valid)
    with pytest.raises(InputError, match="at most 40"):
        translator.encode(*clip_arrays(clips=1, frames=41))


WITHOUT_TORCH = """
import json, sys
from importlib.abc import MetaPathFinder
from pathlib import Path

class Refuse(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {"torch", "transformers", "onnx", "onnxscript"}:
            raise AssertionError(f"{name} was imported")

sys.meta_path.insert(0, Refuse())
import numpy as np
from slt_cli.export.runtime import BundleTranslator

arrays = np.load(sys.argv[2])
part = lambda prefix: {n[len(prefix):]: arrays[n] for n in arrays if n.startswith(prefix)}
translator = BundleTranslator(Path(sys.argv[1]))
found = translator.encode(part("streams."), part("valid."), arrays["frame_valid"])
texts = translator.texts(found, beams=4, length_penalty=1.0)
print(json.dumps([texts, translator.glosses(found)]))
"""


def test_the_runtime_needs_neither_torch_nor_transformers(
    bundle: Path, translator: BundleTranslator, tmp_path: Path
) -> None:
    streams, valid, frame_valid = clip_arrays(clips=3, frames=12)
    np.savez(
        tmp_path / "clips.npz", frame_valid=frame_valid,
        **{f"streams.{name}": array for name, array in streams.items()},
        **{f"valid.{name}": array for name, array in valid.items()},
    )  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_TORCH, str(bundle), str(tmp_path / "clips.npz")],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    texts, glosses = json.loads(done.stdout)
    assert texts == translator.translate(streams, valid, frame_valid)
    assert glosses == translator.glosses(translator.encode(streams, valid, frame_valid))
