"""One step: who learns, who follows, what is left alone."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from slt_cli.losses.koleo import koleo_loss
from slt_cli.pretraining.config import PretrainConfig
from slt_cli.pretraining.dino import Dino, StepValues, clip_each, feature_std, step_values
from slt_cli.pretraining.teacher import follow, make_teacher

VALUES = StepValues(
    lr=0.01, weight_decay=0.1, momentum=0.9, teacher_temp=0.04, freeze_last_layer=False
)


def views(config: PretrainConfig, seed: int = 0) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return tuple(
        torch.randint(0, 256, (4, n, 3, size, size), dtype=torch.uint8, generator=generator)
        for n, size in ((2, config.image_size), (config.local_crops, config.local_size))
    )


@pytest.fixture
def learner(tiny: PretrainConfig) -> Dino:
    torch.manual_seed(0)
    return Dino(replace(tiny, drop_path=0.0))


def snapshot(learner: Dino) -> dict[str, Tensor]:
    state = learner.state_dict()
    return {
        f"{part}.{name}": value.clone()
        for part in ("student", "teacher", "centre")
        for name, value in state[part].items()
    }


def test_the_teacher_moves_only_by_following_the_student(
    learner: Dino, tiny: PretrainConfig
) -> None:
    before = snapshot(learner)
    learner.step(*views(tiny), VALUES)
    after = snapshot(learner)
    for name, old in before.items():
        if name.startswith("teacher."):
            student = after[name.replace("teacher.", "student.", 1)]
            torch.testing.assert_close(after[name], 0.9 * old + 0.1 * student)
    changed = [name for name in before if not torch.equal(before[name], after[name])]
    assert "student.backbone.blocks.1.mlp.fc2.weight" in changed
    assert "student.head.last_layer.weight_v" in changed
    assert "student.head.last_layer.weight_g" not in changed
    assert "centre.value" in changed


def test_the_loss_is_that_of_views_seen_one_by_one(learner: Dino, tiny: PretrainConfig) -> None:
    """Recomputes the step's loss pair by pair, from pixels scaled by hand."""
    large, small = views(tiny)
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])

    def logits(branch: nn.Module, batch: Tensor) -> Tensor:
        pixels = (batch.float() / 255 - mean[:, None, None]) / std[:, None, None]
        return branch.head(branch.backbone(pixels).cls)

    student = [logits(learner.student, large[:, v]) for v in range(2)]
    student += [logits(learner.student, small[:, v]) for v in range(2)]
    teacher = [logits(learner.teacher, large[:, v]) for v in range(2)]
    terms = [
        -((t / 0.04).softmax(-1) * (s / 0.1).log_softmax(-1)).sum(-1).mean()
        for i, t in enumerate(teacher)
        for j, s in enumerate(student)
        if i != j
    ]
    measured = learner.step(large, small, VALUES)
    assert measured["loss"] == pytest.approx(torch.stack(terms).mean().item(), rel=1e-5)


def test_koleo_spreads_the_features_of_each_global_view(
    learner: Dino, tiny: PretrainConfig
) -> None:
    large, small = views(tiny)
    groups = [learner._pixels(large), learner._pixels(small)]
    features, _ = learner.student(*groups)
    expected = sum(koleo_loss(features[view], 1e-4).item() for view in range(2))
    learner.config = replace(learner.config, koleo_weight=0.5)
    measured = learner.step(large, small, VALUES)
    assert measured["koleo"] == pytest.approx(expected, rel=1e-5)
    assert measured["loss"] == pytest.approx(measured["dino"] + 0.5 * measured["koleo"], rel=1e-6)


def test_local_views_are_optional(tiny: PretrainConfig) -> None:
    config = replace(tiny, local_crops=0)
    measured = Dino(config).step(*views(config), VALUES)
    assert measured["loss"] > 0


def test_prototypes_rest_while_frozen(learner: Dino, tiny: PretrainConfig) -> None:
    before = snapshot(learner)
    learner.step(*views(tiny), replace(VALUES, freeze_last_layer=True))
    after = snapshot(learner)
    assert torch.equal(
        before["student.head.last_layer.weight_v"], after["student.head.last_layer.weight_v"]
    )
    assert not torch.equal(before["student.head.mlp.0.weight"], after["student.head.mlp.0.weight"])


def test_biases_norms_and_scales_do_not_decay(learner: Dino) -> None:
    decayed, plain = learner.optimizer.param_groups
    assert {p.ndim for p in plain["params"]} == {1}
    assert plain["weight_decay"] == 0
    assert min(p.ndim for p in decayed["params"]) == 2
    counted = sum(len(group["params"]) for group in (decayed, plain))
    assert counted == sum(p.requires_grad for p in learner.student.parameters())


def test_a_bad_step_changes_nothing(learner: Dino, tiny: PretrainConfig) -> None:
    learner.student.head.mlp[0].weight.data[0, 0] = float("nan")
    before = snapshot(learner)
    measured = learner.step(*views(tiny), VALUES)
    assert measured["loss"] != measured["loss"]
    for name, value in snapshot(learner).items():
        torch.testing.assert_close(value, before[name], equal_nan=True, rtol=0, atol=0)


def test_learning_lowers_the_loss(learner: Dino, tiny: PretrainConfig) -> None:
    values = replace(VALUES, lr=3e-3, momentum=1.0, weight_decay=0.0)
    learner.centre.momentum = 1.0  # a fixed teacher makes this plain distillation
    batch = views(tiny)
    losses = [learner.step(*batch, values)["loss"] for _ in range(40)]
    assert losses[-1] < 0.8 * losses[0]


def test_each_tensor_is_clipped_alone() -> None:
    model = nn.Linear(2, 2)
    model.weight.grad = torch.tensor([[3.0, 4.0], [0.0, 0.0]])
    model.bias.grad = torch.tensor([0.6, 0.8])
    assert clip_each(model, 2.0).item() == pytest.approx(26**0.5)
    torch.testing.assert_close(model.weight.grad, torch.tensor([[1.2, 1.6], [0.0, 0.0]]))
    torch.testing.assert_close(model.bias.grad, torch.tensor([0.6, 0.8]))


def test_feature_spread_is_one_when_even_and_zero_when_collapsed() -> None:
    even = torch.randn(20_000, 8, generator=torch.Generator().manual_seed(0))
    assert feature_std(even) == pytest.approx(1.0, abs=0.02)
    assert feature_std(torch.ones(50, 8) * torch.arange(1, 51)[:, None]) == pytest.approx(
        0, abs=1e-5
    )


def test_a_teacher_starts_as_the_student_and_gets_no_gradients(learner: Dino) -> None:
    student = deepcopy(learner.student)
    teacher = make_teacher(student)
    assert not any(p.requires_grad for p in teacher.parameters())
    assert not teacher.training
    follow(teacher, student, 0.5)
    for slow, fast in zip(teacher.parameters(), student.parameters(), strict=True):
        assert torch.equal(slow, fast)
        assert slow.data_ptr() != fast.data_ptr()


def test_schedules_run_over_the_whole_training(tiny: PretrainConfig) -> None:
    config = replace(
        tiny, epochs=4, warmup_epochs=2, teacher_temp_start=0.02, teacher_temp_warmup_epochs=2
    )
    values = [step_values(config, step, per_epoch=5) for step in range(20)]
    assert values[0].lr == 0
    assert values[9].lr == values[10].lr == config.learning_rate
    assert values[19].lr < 0.1 * config.learning_rate
    assert [v.teacher_temp for v in values[::5]] == pytest.approx([0.02, 0.04, 0.04, 0.04])
    assert [v.freeze_last_layer for v in values] == [True] * 5 + [False] * 15
    assert values[0].momentum == pytest.approx(config.teacher_momentum)
    assert values[0].momentum < values[10].momentum < values[19].momentum < 1
    assert values[0].weight_decay == pytest.approx(0.04)
    assert values[10].weight_decay == pytest.approx(0.22)
