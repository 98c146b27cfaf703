"""The curves of a training run as PNG pictures, for slides and papers."""

from __future__ import annotations

from collections.abc import Mapping
from io import BytesIO

from slt_cli.evaluation.training_report import SCORE_NAMES, Metrics
from slt_cli.evaluation.training_report_curves import Points, series_of, thinned

_INCHES, _DPI = (6.4, 4.0), 120
_LOSSES = {
    "loss": "training", "val_loss": "validation",
    "loss_translation_weighted": "translation, weighted", "loss_ctc_weighted": "CTC, weighted",
    "loss_distillation_weighted": "distillation, weighted",
}  # fmt: skip


def plot_files(metrics: Metrics) -> dict[str, bytes]:
    """`losses.png` and, once there are scores, `scores.png`; empty without epochs."""
    drawn = {
        "losses.png": ("loss", _series(metrics, _LOSSES)),
        "scores.png": ("validation score in percent", _series(metrics, SCORE_NAMES)),
    }
    return {name: _png(label, series) for name, (label, series) in drawn.items() if series}


def _series(metrics: Metrics, names: Mapping[str, str]) -> dict[str, Points]:
    """Label -> points of the terms that are ever anything but 0."""
    found = {label: series_of(metrics, key) for key, label in names.items()}
    return {label: points for label, points in found.items() if any(y for _, y in points)}


def _png(label: str, series: Mapping[str, Points]) -> bytes:
    # Without pyplot: no window system is looked for, and no figure stays in memory.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    figure = Figure(figsize=_INCHES, dpi=_DPI, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    for name, points in series.items():
        few = thinned(points)
        mark = "o" if len(few) == 1 else ""
        axes.plot([x for x, _ in few], [y for _, y in few], marker=mark, label=name)
    axes.set_xlabel("epoch")
    axes.set_ylabel(label)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(alpha=0.3)
    axes.legend(frameon=False)
    image = BytesIO()
    figure.savefig(image, format="png")
    return image.getvalue()
