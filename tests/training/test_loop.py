from __future__ import annotations

import copy
import math
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
import torch

from slt_cli.data.sample import Batch
from slt_cli.errors import Diverged, InputError, Interrupted, OutOfResources, UsageError
from slt_cli.losses.translation import IGNORE
from slt_cli.models.translator import SltModel
from slt_cli.training.loop import LoopConfig, compute_losses, fit, is_finished
from slt_cli.training.objective import has_targets
from slt_cli.training.optim import PARTS, build_optimizer
from slt_cli.training.state import Progress, load_state_dict, seed_everything, state_dict
from slt_cli.training.teacher_forcing import TeacherForcing
from tests.models.small import small_model
from tests.models.test_gloss_reader import gloss_model
from tests.training.made_up import Batches, config, made_up_batch

CPU = torch.device("cpu")


@dataclass
class Watched:
    """A run with everything it says."""

    model: SltModel
    config: LoopConfig
    batches: Any
    scores: list[float] = field(default_factory=list)
    stop_at: int = 0
    kind: str = "sgd"
    scaler: torch.amp.GradScaler | None = None
    progress: Progress = field(default_factory=Progress)
    saves: list[tuple[bool, bool, dict[str, Any]]] = field(default_factory=list)
    means: list[dict[str, float]] = field(default_factory=list)
    events: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    records: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        rates = dict.fromkeys(PARTS, self.config.lr)
        self.optimizer = build_optimizer(
            self.model, kind=self.kind, rates=rates, weight_decay=0.01, momentum=0.5
        )

    def run(self) -> Watched:
        fit(
            self.model, self.optimizer, self.batches, self.config, self.progress, device=CPU,
            save=self._save, end_of_epoch=self._end, report=self._report,
            should_stop=self._should_stop, scaler=self.scaler, keep_batch=self.records.append,
        )  # fmt: skip
        return self

    def _save(self, progress: Progress, *, best: bool, keep: bool) -> None:
        state = state_dict(self.model, self.optimizer, progress, self.scaler)
        self.saves.append((best, keep, copy.deepcopy(state)))

    def _end(self, progress: Progress, means: dict[str, float]) -> float:
        self.means.append(means)
        return self.scores.pop(0) if self.scores else float(-progress.epoch)

    def _report(self, event: str, **facts: Any) -> None:
        self.events.append((event, facts))

    def _should_stop(self) -> int | None:
        return signal.SIGTERM if 0 < self.stop_at <= self.progress.step else None


def batches(count: int = 3) -> Batches:
    return Batches([made_up_batch(seed) for seed in range(count)])


def without_dropout(model: SltModel) -> SltModel:
    for module in model.modules():
        for name, value in vars(module).items():
            if "drop" in name and isinstance(value, float):
                setattr(module, name, 0.0)
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    return model


def weights(model: SltModel) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


def assert_same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> None:
    assert [n for n in one if not torch.equal(one[n], other[n])] == []


# --- what is made small ---------------------------------------------------------------------------


def test_the_loss_is_the_weighted_sum_of_its_terms() -> None:
    model = small_model().eval()
    plain = compute_losses(model, made_up_batch(), config())
    changed = config(translation_weight=0.5, ctc_weight=2.0, distillation_weight=3.0)
    terms = compute_losses(model, made_up_batch(), changed)
    for name in ("translation", "ctc", "distillation", "token"):
        assert terms[name].item() == plain[name].item()
    expected = 0.5 * terms["translation"] + 2 * terms["ctc"] + 3 * terms["distillation"]
    assert terms["loss"].item() == pytest.approx(expected.item(), rel=1e-6)


def test_translation_is_a_sum_over_tokens_per_clip_and_token_a_mean() -> None:
    model, batch = small_model().eval(), made_up_batch(words=(2, 5))
    terms = compute_losses(model, batch, config())
    logits = model(batch.streams, batch.valid, batch.frame_valid, batch.labels).text_logits
    log_probs = logits.log_softmax(-1)
    total = -sum(
        log_probs[row, place, label].item()
        for row, labels in enumerate(batch.labels.tolist())
        for place, label in enumerate(labels)
        if label != IGNORE
    )
    assert terms["translation"].item() == pytest.approx(total / 2, rel=1e-5)
    assert terms["token"].item() == pytest.approx(total / 7, rel=1e-5)


def test_terms_of_weight_zero_are_not_computed() -> None:
    terms = compute_losses(small_model(), made_up_batch(), config(ctc_weight=0.0))
    assert terms.keys() == {"translation", "distillation", "token", "loss"}


def test_sign2gloss_has_no_text_and_leaves_its_decoder_alone() -> None:
    model = small_model()
    terms = compute_losses(model, made_up_batch(), config(task="sign2gloss"))
    assert terms.keys() == {"ctc", "distillation", "loss"}
    terms["loss"].backward()
    assert all(p.grad is None for p in model.decoder.parameters())


def test_gloss2text_reads_glosses_and_no_signing() -> None:
    model, batch = gloss_model().eval(), made_up_batch()
    task = config(task="gloss2text")
    terms = compute_losses(model, batch, task)
    assert terms.keys() == {"translation", "token", "loss"}
    moved = {name: tensor + 1 for name, tensor in batch.streams.items()}
    other_signing = compute_losses(model, replace(batch, streams=moved), task)
    assert other_signing["loss"].item() == terms["loss"].item()
    other_glosses = compute_losses(model, replace(batch, glosses=7 - batch.glosses), task)
    assert other_glosses["loss"].item() != terms["loss"].item()


@pytest.mark.parametrize("kind", [{}, {"family": "t5"}, {"pose": True}])
def test_a_process_without_a_clip_contributes_nothing(
    kind: dict, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch, model = made_up_batch(), small_model(**kind).train()
    empty = replace(
        batch,
        video_ids=[], texts=[], frame_valid=torch.zeros_like(batch.frame_valid),
        valid={name: torch.zeros_like(mask) for name, mask in batch.valid.items()},
        labels=torch.full_like(batch.labels, IGNORE), glosses=torch.zeros_like(batch.glosses),
        gloss_lengths=torch.zeros_like(batch.gloss_lengths),
    )  # fmt: skip
    others = "slt_cli.training.objective.sum_over_processes"  # two clips and five tokens
    monkeypatch.setattr(others, lambda values: [values[0] + 2, values[1] + 5])
    terms = compute_losses(model, empty, config())
    assert {term.item() for term in terms.values()} == {0.0}
    terms["loss"].backward()
    assert {p.grad.abs().max().item() for p in model.parameters()} == {0.0}


@pytest.mark.parametrize(
    ("task", "words", "glosses", "expected"),
    [
        ("sign2text", True, False, True), ("sign2text", False, True, True),
        ("sign2text", False, False, False), ("sign2gloss", True, False, False),
        ("sign2gloss", False, True, True), ("gloss2text", False, True, False),
        ("gloss2text", True, True, True),
    ],
)  # fmt: skip
def test_what_a_task_can_learn_from(task: str, words: bool, glosses: bool, expected: bool) -> None:
    batch = made_up_batch(words=None if words else (0, 0), glosses=glosses)
    assert has_targets(batch, config(task=task)) is expected
    assert not has_targets(made_up_batch(words=(0, 0)), config(ctc_weight=0.0))


# --- updates --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("count", "accumulated", "updates"), [(4, 2, 2), (5, 2, 3), (3, 8, 1)])
def test_an_update_follows_the_mean_gradient_of_its_batches(
    count: int, accumulated: int, updates: int
) -> None:
    given = batches(count)
    ours = Watched(
        without_dropout(small_model()), config(grad_accum_steps=accumulated), given
    ).run()
    assert ours.progress.step == updates
    model = without_dropout(small_model()).train()
    optimizer = Watched(model, config(), given).optimizer
    for first in range(0, count, accumulated):
        window = given.batches[first : first + accumulated]
        optimizer.zero_grad()
        torch.stack([compute_losses(model, b, config())["loss"] for b in window]).mean().backward()
        optimizer.step()
    for (name, one), other in zip(
        ours.model.named_parameters(), model.named_parameters(), strict=True
    ):
        torch.testing.assert_close(one, other[1], rtol=1e-4, atol=1e-5, msg=name)


def test_rates_follow_the_schedule_of_all_updates() -> None:
    seen: list[float] = []
    run = Watched(
        small_model(), config(epochs=2, schedule="cosine", warmup_steps=2, min_lr=0.001), batches(3)
    )
    step = run.optimizer.step
    run.optimizer.step = lambda *a: (seen.append(run.optimizer.param_groups[0]["lr"]), step(*a))[1]
    run.run()
    after = [0.001 + 0.009 * (1 + math.cos(math.pi * k / 4)) / 2 for k in range(4)]
    assert seen == pytest.approx([0.005, 0.01, *after])
    told = [facts["lr"] for event, facts in run.events if event == "train"]
    assert told == pytest.approx(seen)


def test_steps_of_the_schedule_count_epochs() -> None:
    run = Watched(
        small_model(),
        config(epochs=4, schedule="step", scheduler_step_size=2, scheduler_gamma=0.1), batches(2),
    ).run()  # fmt: skip
    told = [facts["lr"] for event, facts in run.events if event == "train"]
    assert told == pytest.approx([0.01] * 4 + [0.001] * 4)


def test_gradients_are_clipped_to_the_norm() -> None:
    norms = []
    run = Watched(small_model(), config(clip_grad_norm=0.05), batches(2))
    step = run.optimizer.step

    def noted(*arguments: Any) -> Any:
        grads = [p.grad for p in run.model.parameters()]
        norms.append(torch.cat([g.flatten() for g in grads]).norm().item())
        return step(*arguments)

    run.optimizer.step = noted
    run.run()
    assert norms == pytest.approx([0.05, 0.05], rel=1e-3)


def test_a_loss_scale_changes_nothing_but_the_way() -> None:
    plain = Watched(without_dropout(small_model()), config(), batches()).run()
    scaler = torch.amp.GradScaler("cpu", init_scale=1024.0)
    scaled = Watched(without_dropout(small_model()), config(), batches(), scaler=scaler).run()
    for one, other in zip(plain.model.parameters(), scaled.model.parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-6)
    assert scaled.saves[-1][2]["scaler"]["scale"] == 1024.0


def test_a_scale_that_overflows_skips_the_update_and_shrinks() -> None:
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**126)
    run = Watched(small_model(), config(), batches(1), scaler=scaler)
    before = {name: p.clone() for name, p in run.model.named_parameters()}
    run.run()
    assert scaler.get_scale() == 2.0**125
    assert_same(before, dict(run.model.named_parameters()))


def test_scheduled_sampling_uses_and_reports_the_ratio_of_the_epoch() -> None:
    ratios: list[float] = []
    model = small_model()
    model.register_forward_pre_hook(
        lambda module, args, kwargs: ratios.append(kwargs["teacher_forcing"]), with_kwargs=True
    )
    forcing = TeacherForcing(start=0.8, least=0.3, decay=0.5)
    run = Watched(model, config(epochs=3, teacher_forcing=forcing), batches(1)).run()
    assert ratios == [0.8, 0.4, 0.3]
    assert [means["teacher_forcing"] for means in run.means] == [0.8, 0.4, 0.3]


# --- what an epoch says ---------------------------------------------------------------------------


def test_means_are_over_the_batches_of_the_epoch_with_their_weighted_twins() -> None:
    weighted = config(ctc_weight=0.5, lr=1e-9)
    model = without_dropout(small_model())
    terms = [compute_losses(model.train(), b, weighted) for b in batches(2).batches]
    (means,) = Watched(model, weighted, batches(2)).run().means
    for name in ("loss", "translation", "ctc", "distillation", "token"):
        expected = sum(t[name].item() for t in terms) / 2
        assert means[name] == pytest.approx(expected, rel=1e-4), name
    assert means["ctc_weighted"] == pytest.approx(0.5 * means["ctc"])
    assert means["translation_weighted"] == means["translation"]
    assert (means["clips"], means["frames"], means["skipped"]) == (4, 30, 0)
    assert means["peak_memory_mib"] > 10


def test_the_time_spent_waiting_for_data_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr("slt_cli.training.loop.time.monotonic", lambda: now[0])

    class Slow(Batches):
        def epoch(self, epoch: int, start: int) -> Iterator[Batch]:
            for batch in super().epoch(epoch, start):
                now[0] += 3.0
                yield batch

    run = Watched(small_model(), config(), Slow(batches(2).batches))
    step = run.optimizer.step

    def working(*arguments: Any) -> Any:
        now[0] += 1.0
        return step(*arguments)

    run.optimizer.step = working
    (means,) = run.run().means
    assert means["wait_share"] == pytest.approx(0.75)
    assert means["seconds_per_iteration"] == pytest.approx(4.0)
    told = [facts for event, facts in run.events if event == "train"]
    assert told[-1]["samples_per_s"] == pytest.approx(4 / 8)
    assert told[-1]["wait_share"] == pytest.approx(0.75)


def test_batches_without_a_target_are_skipped_and_counted() -> None:
    empty = made_up_batch(9, words=(0, 0), glosses=False)
    given = [made_up_batch(0), empty, made_up_batch(1), empty]
    run = Watched(without_dropout(small_model()), config(), Batches(given)).run()
    alone = Watched(without_dropout(small_model()), config(), batches(2)).run()
    assert run.progress.step == 2
    assert run.means[0]["skipped"] == 2
    assert run.means[0]["loss"] == pytest.approx(alone.means[0]["loss"])
    assert all(math.isfinite(value) for value in run.means[0].values())
    assert sum(event == "warning" for event, _ in run.events) == 2
    assert_same(weights(run.model), weights(alone.model))


def test_an_epoch_without_any_target_is_an_input_error() -> None:
    empty = Batches([made_up_batch(9, words=(0, 0), glosses=False)])
    with pytest.raises(InputError, match="no clip of the epoch has a target"):
        Watched(small_model(), config(), empty).run()


# --- when it ends ---------------------------------------------------------------------------------


def test_the_lowest_score_is_the_best_and_what_was_not_measured_is_none() -> None:
    scores = [math.inf, 3.0, math.nan, 2.0, 2.5]
    run = Watched(small_model(), config(epochs=5), batches(1), scores=scores).run()
    assert [best for best, *_ in run.saves] == [False, True, False, True, False]
    assert run.progress.best == 2.0


def test_early_stopping_counts_validations_that_measured_and_were_no_better() -> None:
    scores = [5.0, math.inf, 6.0, 4.0, 4.0, math.inf, 4.5, 1.0]
    stopping = config(epochs=8, early_stopping=2)
    run = Watched(small_model(), stopping, batches(1), scores=scores).run()
    assert run.progress.epoch == 7
    assert scores == [1.0]
    assert is_finished(run.progress, stopping)


def test_max_train_steps_ends_inside_an_epoch_after_a_validation() -> None:
    short = config(epochs=9, max_train_steps=5, schedule="linear")
    run = Watched(small_model(), short, batches(3)).run()
    assert run.progress.step == 5
    assert len(run.means) == 2
    assert run.means[1]["clips"] == 4
    assert run.events[-1][1]["total"] == 5
    again = Watched(run.model, short, batches(3), progress=run.progress).run()
    assert again.means == []


def test_every_nth_update_is_saved_and_kept() -> None:
    run = Watched(small_model(), config(epochs=2, save_every_steps=2), batches(3)).run()
    told = [(keep, state["progress"]["step"]) for _, keep, state in run.saves]
    assert told == [(True, 2), (False, 3), (True, 4), (True, 6), (False, 6)]


# --- what stops it --------------------------------------------------------------------------------


def spoiled(name: str = "keypoints_body") -> Batch:
    batch = made_up_batch(4)
    batch.streams[name][0, 0, 0] = math.nan
    batch.valid[name][0, 0, 0] = True
    return batch


def test_a_loss_that_is_not_finite_stops_before_the_update_and_keeps_the_batch() -> None:
    given = Batches([made_up_batch(0), made_up_batch(1), spoiled()])
    run = Watched(small_model(), config(grad_accum_steps=2), given)
    with pytest.raises(Diverged, match="the loss is nan at update 1"):
        run.run()
    assert run.progress.step == 1
    (record,) = run.records
    assert record["ids"] == record["update_ids"] == ["clip_4_0", "clip_4_1"]
    assert (record["step"], record["epoch"]) == (1, 0)
    assert math.isnan(record["terms"]["loss"])
    alone = Watched(small_model(), config(grad_accum_steps=2), Batches(given.batches[:2])).run()
    for one, other in zip(run.model.parameters(), alone.model.parameters(), strict=True):
        assert torch.equal(one, other)


def test_a_gradient_that_is_not_finite_stops_before_the_update() -> None:
    run = Watched(small_model(), config(grad_accum_steps=2), batches(2))
    before = {name: p.clone() for name, p in run.model.named_parameters()}
    run.model.decoder.model.lm_head.weight.register_hook(lambda grad: grad * math.inf)
    with pytest.raises(Diverged, match="the gradient is"):
        run.run()
    assert run.records[0]["update_ids"] == ["clip_0_0", "clip_0_1", "clip_1_0", "clip_1_1"]
    assert_same(before, dict(run.model.named_parameters()))


def test_running_out_of_memory_describes_the_batch() -> None:
    run = Watched(small_model(), config(), batches(2))

    def full(*_: Any, **__: Any) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    run.model.decoder.forward = full
    with pytest.raises(OutOfResources, match="2 clips and 18 frames with padding"):
        run.run()


def test_a_part_that_nothing_trains_is_refused_at_the_first_update() -> None:
    model = small_model()
    model.decoder.forgotten = torch.nn.Linear(2, 2)
    run = Watched(model, config(), batches(2))
    before = weights(model)
    with pytest.raises(UsageError, match=r"decoder\.forgotten\.weight, decoder\.forgotten\.bias"):
        run.run()
    trained = dict(model.named_parameters())
    assert_same({n: before[n] for n in trained}, trained)


def test_glosses_that_do_not_fit_their_frames_are_no_missing_gradient() -> None:
    batch = made_up_batch(0, lengths=(4, 4))
    batch.glosses = torch.ones(2, 5, dtype=torch.long)
    batch.gloss_lengths = torch.tensor([5, 5])
    run = Watched(small_model(), config(distillation_weight=0.0), Batches([batch])).run()
    assert run.progress.step == 1
    assert run.means[0]["ctc"] == 0.0


# --- going on -------------------------------------------------------------------------------------

RECIPE: dict[str, Any] = {
    "epochs": 2, "grad_accum_steps": 2, "schedule": "cosine", "warmup_steps": 3,
    "clip_grad_norm": 1.0, "teacher_forcing": TeacherForcing(0.9, 0.0, 0.5),
}  # fmt: skip


def new_run(make: Callable[[], SltModel] = small_model, **changes: Any) -> Watched:
    run = Watched(make(), config(**{**RECIPE, **changes}), batches(5), kind="adamw")
    seed_everything(1)
    return run


def continued(payload: dict[str, Any], **changes: Any) -> Watched:
    run = new_run(lambda: small_model(seed=9), **changes)
    run.progress = load_state_dict(copy.deepcopy(payload), run.model, run.optimizer)
    return run.run()


@pytest.fixture(scope="module")
def uninterrupted() -> Watched:
    return new_run().run()


@pytest.mark.parametrize("update", [1, 2, 3, 4, 5])
def test_a_run_stopped_after_any_update_goes_on_bit_by_bit(
    update: int, uninterrupted: Watched
) -> None:
    run = new_run()
    run.stop_at = update
    with pytest.raises(Interrupted) as caught:
        run.run()
    assert caught.value.exit_code == 143
    stopped = run.saves[-1][2]
    assert stopped["progress"]["step"] == update
    assert stopped["progress"]["batch"] % 2 == 0 or stopped["progress"]["batch"] == 5
    assert_same(weights(continued(stopped).model), weights(uninterrupted.model))


def test_every_saved_state_goes_on_bit_by_bit(uninterrupted: Watched) -> None:
    run = new_run(save_every_steps=1).run()
    assert len(run.saves) == 8
    for *_, state in run.saves[2:5]:
        assert_same(weights(continued(state).model), weights(uninterrupted.model))


def test_early_stopping_and_its_count_go_on(uninterrupted: Watched) -> None:
    scores = [1.0, 2.0, 3.0, 4.0]
    run = new_run(epochs=9, early_stopping=3)
    run.scores = list(scores)
    run.run()
    again = new_run(epochs=9, early_stopping=3)
    again.progress = load_state_dict(copy.deepcopy(run.saves[1][2]), again.model, again.optimizer)
    again.scores = scores[2:]
    again.run()
    assert again.progress.epoch == run.progress.epoch == 4
    assert_same(weights(again.model), weights(run.model))
