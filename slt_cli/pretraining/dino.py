"""One step of DINO (Caron et al. 2021, algorithm 1), and all the state it changes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from slt_cli.losses.dino import Centre, dino_loss
from slt_cli.losses.koleo import koleo_loss
from slt_cli.models.backbones import PIXEL_MEAN, PIXEL_STD
from slt_cli.models.dino_head import DinoHead
from slt_cli.models.vit import VisionTransformer
from slt_cli.pretraining.config import PretrainConfig
from slt_cli.pretraining.teacher import Branch, follow, make_teacher
from slt_cli.training.optim import build_adamw
from slt_cli.training.schedules import cosine_schedule, linear_schedule


@dataclass(frozen=True)
class StepValues:
    """Values of the schedules at one step."""

    lr: float
    weight_decay: float
    momentum: float
    teacher_temp: float
    freeze_last_layer: bool


def step_values(config: PretrainConfig, step: int, per_epoch: int) -> StepValues:
    """Values at `step` of a run with `per_epoch` steps in each epoch."""
    total, epoch = config.epochs * per_epoch, step // per_epoch
    warmup = config.warmup_epochs * per_epoch
    return StepValues(
        lr=cosine_schedule(step, total, config.learning_rate, config.min_lr, warmup),
        weight_decay=cosine_schedule(step, total, config.weight_decay, config.weight_decay_end),
        momentum=cosine_schedule(step, total, config.teacher_momentum, 1.0),
        teacher_temp=linear_schedule(
            epoch, config.teacher_temp_warmup_epochs, config.teacher_temp_start, config.teacher_temp
        ),
        freeze_last_layer=epoch < config.frozen_last_layer_epochs,
    )


class Dino:
    """Student, teacher, centre and optimiser."""

    def __init__(self, config: PretrainConfig) -> None:
        self.config = config
        self.device = torch.device(config.device)
        head = DinoHead(
            config.vit_embed_dim, config.prototypes,
            hidden=config.head_hidden, bottleneck=config.head_bottleneck,
        )  # fmt: skip
        self.student = Branch(VisionTransformer(**config.vit()), head).to(self.device)
        self.teacher = make_teacher(self.student)
        self.centre = Centre(config.prototypes, config.centre_momentum).to(self.device)
        self.optimizer = build_adamw(
            self.student, lr=config.learning_rate, weight_decay=config.weight_decay
        )

    def step(
        self, global_views: Tensor, local_views: Tensor, values: StepValues
    ) -> dict[str, float]:
        """Learn from bytes (B, 2, 3, G, G) and (B, N, 3, S, S); returns what is monitored.

        `loss` and its unweighted terms; `teacher_entropy` in nats, 0 or log K after a collapse;
        `feature_std` of unit features, 1 when spread evenly and 0 when all images look alike;
        `gradient_norm`. A loss or norm that is not finite is returned before anything was updated.
        """
        groups = [self._pixels(v) for v in (global_views, local_views) if v.shape[1]]
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.device.type == "cuda"):
            with torch.no_grad():
                features, teacher = self.teacher(groups[0])
            student_features, student = self.student(*groups)
        features, teacher, student = features.float(), teacher.float(), student.float()
        targets = self.centre.targets(teacher, values.teacher_temp)
        terms = {"dino": dino_loss(student, targets, self.config.student_temp)}
        loss = terms["dino"]
        if self.config.koleo_weight:
            terms["koleo"] = self._koleo(student_features.float())
            loss = loss + self.config.koleo_weight * terms["koleo"]
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        if values.freeze_last_layer:
            self.student.head.last_layer.zero_grad(set_to_none=True)
        norm = clip_each(self.student, self.config.clip_grad_norm)
        if torch.isfinite(loss + norm):
            self._update(teacher, values)
        return {
            "loss": loss.item(),
            **{name: term.item() for name, term in terms.items()},
            "teacher_entropy": torch.special.entr(targets).sum(-1).mean().item(),
            "feature_std": feature_std(features.flatten(0, 1)),
            "gradient_norm": norm.item(),
        }

    def _koleo(self, features: Tensor) -> Tensor:
        """Sum over the two global views, never across views: those of an image should be close."""
        epsilon = self.config.koleo_epsilon
        return koleo_loss(features[0], epsilon) + koleo_loss(features[1], epsilon)

    def _pixels(self, views: Tensor) -> Tensor:
        """Bytes (B, V, 3, H, W) to normalised (V, B, 3, H, W)."""
        mean, std = (torch.tensor(v, device=self.device) for v in (PIXEL_MEAN, PIXEL_STD))
        scaled = views.to(self.device, non_blocking=True).transpose(0, 1).float() / 255
        return (scaled - mean[:, None, None]) / std[:, None, None]

    def _update(self, teacher: Tensor, values: StepValues) -> None:
        decayed, plain = self.optimizer.param_groups
        decayed["lr"] = plain["lr"] = values.lr
        decayed["weight_decay"] = values.weight_decay
        self.optimizer.step()
        self.centre.update(teacher)
        follow(self.teacher, self.student, values.momentum)

    def state_dict(self) -> dict[str, Any]:
        """Everything a step changes."""
        return {
            "student": self.student.state_dict(),
            "teacher": self.teacher.state_dict(),
            "centre": self.centre.state_dict(),
            "optimizer": self.optimizer.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore `state_dict`; further keys are left alone."""
        self.student.load_state_dict(state["student"])
        self.teacher.load_state_dict(state["teacher"])
        self.centre.load_state_dict(state["centre"])
        self.optimizer.load_state_dict(state["optimizer"])


def clip_each(model: nn.Module, limit: float) -> Tensor:
    """Shrink the gradient of every single tensor to the norm `limit`; returns the norm of all."""
    gradients = [p.grad for p in model.parameters() if p.grad is not None]
    norms = torch.stack([gradient.norm() for gradient in gradients])
    factors = (limit / (norms + 1e-6)).clamp(max=1.0)
    for gradient, factor in zip(gradients, factors, strict=True):
        gradient.mul_(factor)
    return norms.norm()


def feature_std(features: Tensor) -> float:
    """Spread of unit-length features (N, D): sqrt(D) times the mean deviation per channel."""
    unit = F.normalize(features, dim=1)
    return (unit.std(dim=0, correction=0).mean() * features.shape[1] ** 0.5).item()
