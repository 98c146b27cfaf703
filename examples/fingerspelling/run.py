"""Fingerspelled words to text: slt's keypoint network against a classifier of single letters.

python examples/fingerspelling/run.py ../shared/data FOLDER           scores the validation signer
python examples/fingerspelling/run.py ../shared/data FOLDER --test    scores the test signer

`keypoints-small` with the gloss heads' CTC and the text decoder is trained on the words of eight
signers; the checkpoint of the lowest gloss error on the ninth is kept, and a tenth is the test.
--held-out LANGUAGE ... makes each of these languages the test instead. The classifier is told where
each letter begins and ends, the network is not. The network's CER on the video of another string
says what it would have without looking.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from letters import letter_classifier, pieces_of
from stitch import LETTERS

from slt_cli.corpus.paths import CorpusPaths
from slt_cli.corpus.tables import read_index, read_meta
from slt_cli.data.loader import evaluation_batches
from slt_cli.evaluation.control import swapped_predictions
from slt_cli.evaluation.decoding import Hypothesis, translate_batches
from slt_cli.evaluation.metrics import score_text, word_error_rate
from slt_cli.pipelines.restore import restore_run
from slt_cli.training.run_folder import RunFolder

sys.path.append(str(Path(__file__).resolve().parents[1] / "benchmarks"))
from record import record

HERE = Path(__file__).parent
CLIPS = ("2400", "200", "300")
PHRASES, FPS = "0.1", "15"
PHRASE = 4  # words from which BLEU-4 says something
COLUMNS = ["test signer", "reader", "CER", "CER on another string's video", "exact", "BLEU-4",
           "minutes of training"]  # fmt: skip

Readings = dict[str, dict[str, str]]
"""Reader -> clip -> what it reads; words are separated by spaces where the reader knows them."""


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("data", type=Path, help="holds fingerspelling_pose/ and text/")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--held-out", nargs="+", default=[""], metavar="LANGUAGE")
    parser.add_argument("--test", action="store_true", help="the one run on the test signer")
    args = parser.parse_args()
    split, rows = "test" if args.test else "val", []
    for language in args.held_out:
        corpus, work_dir = trained(args, language)
        texts = read_meta(corpus.metadata_csv)
        references = {name: texts[name] for name in read_index(corpus.index(split))}
        signer = next(iter(references)).rsplit("_", 1)[1]
        took = minutes(work_dir)
        for reader, found in readings(corpus, work_dir, split).items():
            cells = scores(found, references)
            rows.append([signer, reader, *cells, "" if reader == "linear" else took])
            print(*rows[-1], sep="\t")
    if args.test:
        print(record(title(args.held_out), command(args.held_out), COLUMNS, rows))


def trained(args: argparse.Namespace, language: str) -> tuple[CorpusPaths, Path]:
    """The corpus and the run on it, made where they are not there yet."""
    name = f"{language or 'split'}-{args.seed}"
    corpus, work_dir = args.folder / f"corpus-{name}", args.folder / f"run-{name}"
    if not (corpus / "letters.json").exists():
        held_out = ["--held-out", language] if language else []
        run(
            str(HERE / "stitch.py"), str(args.data), str(corpus), "--clips", *CLIPS,
            "--phrases", PHRASES, "--fps", FPS, "--without-face", "--right-handed",
            "--seed", str(args.seed), *held_out,
        )  # fmt: skip
    if RunFolder(work_dir).status != "completed":
        run(
            "-m", "slt_cli", "train", "--preset", "keypoints-small",
            "--config", str(HERE / "settings.yaml"), "--data", str(corpus),
            "--work-dir", str(work_dir), "--seed", str(args.seed), "--device", "cpu",
        )  # fmt: skip
    return CorpusPaths.from_root(corpus), work_dir


def run(*arguments: str) -> None:
    subprocess.run([sys.executable, *arguments], check=True)


def minutes(work_dir: Path) -> float:
    """From the first file of a run to its last."""
    first, last = ((work_dir / name).stat().st_mtime for name in ("config.json", "artifacts.json"))
    return round((last - first) / 60, 1)


def readings(corpus: CorpusPaths, work_dir: Path, split: str) -> Readings:
    """What the network's two ends and the linear classifier read."""
    restored = restore_run(work_dir, "cpu")
    found = translate_batches(
        restored.model, evaluation_batches(restored.dataset(split), 16), restored.tokenizer,
        restored.glosses, device=restored.device, beams=4, length_penalty=1.0,
        max_length=restored.max_length, report=lambda *_, **__: None,
    )  # fmt: skip
    classifier = letter_classifier(corpus)
    return {
        "gloss heads": {h.video_id: h.gloss_prediction.replace(" ", "").lower() for h in found},
        "text decoder": {h.video_id: h.prediction for h in found},
        "linear": {
            name: classifier.read(hands).lower()
            for name, (hands, _) in pieces_of(corpus, split).items()
        },
    }


def scores(found: Mapping[str, str], references: Mapping[str, str]) -> list[object]:
    """CER, CER on another string's video, share of strings read exactly, BLEU-4 of phrases."""
    spelled = [
        Hypothesis(name, letters_of(found[name]), letters_of(text))
        for name, text in references.items()
    ]
    truth = [h.reference for h in spelled]
    exact = sum(h.prediction == h.reference for h in spelled) / len(spelled)
    own = error_rate([h.prediction for h in spelled], truth)
    other = error_rate(swapped_predictions(spelled), truth)
    return [round(own, 3), round(other, 3), round(exact, 3), bleu(found, references)]


def error_rate(found: Sequence[str], truth: Sequence[str]) -> float:
    return word_error_rate("CER", found, truth).value / 100


def letters_of(text: str) -> str:
    """The letters alone, as words of their own."""
    return " ".join(letter for letter in text.upper() if letter in LETTERS)


def bleu(found: Mapping[str, str], references: Mapping[str, str]) -> object:
    """BLEU-4 of the phrases, of a reader that tells words apart."""
    phrases = [name for name, text in references.items() if len(text.split()) >= PHRASE]
    if not phrases or not any(" " in found[name] for name in phrases):
        return ""
    told = score_text([found[name] for name in phrases], [references[name] for name in phrases])
    return round(next(score.value for score in told if score.name == "BLEU-4"), 1)


def title(held_out: Sequence[str]) -> str:
    if held_out == [""]:
        return "Fingerspelled words: signer and words unseen"
    return "Fingerspelled words: each language left out in turn"


def command(held_out: Sequence[str]) -> str:
    names = f" --held-out {' '.join(held_out)}" if held_out != [""] else ""
    return f"python examples/fingerspelling/run.py ../shared/data FOLDER --test{names}"


if __name__ == "__main__":
    main()
