"""The multi-stream encoder: what it computes, what it ignores, and how much it keeps in memory."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from torch import Tensor, nn

from slt_cli.models.multistream import FuseConcatLinear, MultiStreamEncoder, StreamProjector
from slt_cli.models.temporal import TemporalTransformer
from slt_cli.models.vit import VisionTransformer

SIDE = 16
PARTS = ("face", "hand_left", "hand_right")


def tiny_vit(seed: int = 0, **changes: object) -> VisionTransformer:
    torch.manual_seed(seed)
    shape = {"image_size": SIDE, "patch_size": 8, "embed_dim": 8, "depth": 2, "num_heads": 2}
    return VisionTransformer(**{**shape, **changes})


class Counting(nn.Module):
    """A backbone of somebody's own, which remembers how many frames each call got."""

    embed_dim = 4

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(3, 4)
        self.calls: list[int] = []

    def forward(self, pixels: Tensor) -> SimpleNamespace:
        self.calls.append(len(pixels))
        return SimpleNamespace(cls=self.linear(pixels.mean((2, 3))))


def encoder(*, layers: int = 1, frozen: tuple[str, ...] = (), **changes: object):
    torch.manual_seed(1)
    temporal = TemporalTransformer(width=12, layers=layers, heads=2, dropout=0.1)
    values = {
        "backbones": {part: tiny_vit(i) for i, part in enumerate(PARTS)}, "pose_dim": 14,
        "projector_dim": 6, "pose_projector_dim": 5, "d_model": 12, "frozen": frozenset(frozen),
        "temporal": temporal if layers else None,
    }  # fmt: skip
    return MultiStreamEncoder(**{**values, **changes})


def inputs(lengths: list[int], *, seed: int = 0, missing: float = 0.3):
    """Streams, masks, frame mask; crops and points are missing here and there."""
    g = torch.Generator().manual_seed(seed)
    frames = max(lengths)
    frame_valid = torch.arange(frames) < torch.tensor(lengths)[:, None]
    shape = (len(lengths), frames)
    streams = {f"crops_{p}": torch.randn(*shape, 3, SIDE, SIDE, generator=g) for p in PARTS}
    valid = {n: (torch.rand(shape, generator=g) > missing) & frame_valid for n in streams}
    streams["pose"] = torch.randn(*shape, 7, 2, generator=g)
    valid["pose"] = (torch.rand(*shape, 7, generator=g) > missing) & frame_valid[..., None]
    valid["pose"][:, 1] &= missing == 0  # a frame without any point
    return streams, valid, frame_valid


def poisoned(streams: dict[str, Tensor], valid: dict[str, Tensor]) -> dict[str, Tensor]:
    """The same streams with NaN wherever they are not valid."""
    found = {}
    for name, x in streams.items():
        mask = valid[name]
        found[name] = x.masked_fill(~mask.view(*mask.shape, *[1] * (x.ndim - mask.ndim)), torch.nan)
    return found


@pytest.mark.parametrize("layers", [0, 2])
def test_a_clip_alone_equals_the_clip_in_a_padded_batch(layers: int) -> None:
    model = encoder(layers=layers).double().eval()
    streams, valid, frame_valid = inputs([5, 9, 2])
    streams = {name: x.double() for name, x in poisoned(streams, valid).items()}
    together = model(streams, valid, frame_valid)
    for row, length in enumerate([5, 9, 2]):
        cut = (slice(row, row + 1), slice(0, length))
        alone = model(
            {n: x[cut] for n, x in streams.items()}, {n: m[cut] for n, m in valid.items()},
            frame_valid[cut],
        )  # fmt: skip
        torch.testing.assert_close(alone[0], together[row, :length], rtol=1e-10, atol=1e-10)
        assert not together[row, length:].any()


def test_what_is_missing_changes_neither_features_nor_gradients() -> None:
    streams, valid, frame_valid = inputs([4, 6])
    found = []
    for given in (streams, poisoned(streams, valid)):
        model = encoder().eval()
        model(given, valid, frame_valid).square().sum().backward()
        found.append({n: p.grad for n, p in model.named_parameters() if p.requires_grad})
    for name, gradient in found[0].items():
        assert torch.isfinite(gradient).all(), name
        torch.testing.assert_close(found[1][name], gradient)


def test_masks_that_say_more_than_the_frames_are_not_believed() -> None:
    model = encoder().eval()
    streams, valid, frame_valid = inputs([3, 5])
    everywhere = {name: mask | ~frame_valid.view(2, 5, *[1] * (mask.ndim - 2))
                  for name, mask in valid.items()}  # fmt: skip
    torch.testing.assert_close(
        model(streams, everywhere, frame_valid), model(streams, valid, frame_valid)
    )


def test_every_parameter_receives_a_gradient() -> None:
    model = encoder().train()
    model(*inputs([4, 6])).square().sum().backward()
    learning = {name: p.grad for name, p in model.named_parameters() if p.requires_grad}
    assert [n for n, grad in learning.items() if grad is None or not grad.any()] == []
    others = [name for name, p in model.named_parameters() if not p.requires_grad]
    assert others == [f"backbones.{part}.mask_token" for part in PARTS]


def test_one_argument_is_enough() -> None:
    model = MultiStreamEncoder(backbones={"face": tiny_vit()})
    assert [n for n, _ in model.named_children()] == ["backbones", "projectors", "fusion"]
    streams, valid, frame_valid = inputs([3])
    assert model(streams, valid, frame_valid).shape == (1, 3, 512)
    assert model.fusion.linear.in_features == 256


@pytest.mark.parametrize("parts", [("hand_left",), ("face", "hand_right"), ()])
def test_any_subset_of_streams(parts: tuple[str, ...]) -> None:
    model = encoder(backbones={part: tiny_vit() for part in parts}).eval()
    assert model(*inputs([3, 2])).shape == (2, 3, 12)
    assert model.fusion.linear.in_features == 6 * len(parts) + 5


def test_no_stream_at_all_is_refused() -> None:
    with pytest.raises(ValueError, match="needs a backbone or a pose"):
        MultiStreamEncoder()


def test_signmusketeers_in_numbers() -> None:
    """Linear 384 -> 256 for three crops, 14 -> 128 for the pose, 896 -> 768, and nothing else."""
    with torch.device("meta"):
        vits = {part: tiny_vit(embed_dim=384, num_heads=6, depth=1) for part in PARTS}
        model = MultiStreamEncoder(
            backbones=vits, frozen=frozenset(PARTS), pose_dim=14, projector_dim=256,
            pose_projector_dim=128, d_model=768,
        )  # fmt: skip
    shapes = {n: tuple(p.shape) for n, p in model.named_parameters() if p.requires_grad}
    crops = {f"projectors.{p}.linear.weight": (256, 384) for p in PARTS}
    crops |= {f"projectors.{p}.{n}": (256,) for p in PARTS for n in ("linear.bias", "missing")}
    pose = {
        "projectors.pose.linear.weight": (128, 14), "projectors.pose.linear.bias": (128,),
        "projectors.pose.missing": (128,),
    }  # fmt: skip
    fusion = {"fusion.linear.weight": (768, 896), "fusion.linear.bias": (768,)}
    assert shapes == crops | pose | fusion


def test_signmusketeers_by_hand() -> None:
    """With every stream there, the encoder is three matrix products, one after the other."""
    model = encoder(layers=0, frozen=PARTS).double().eval()
    streams, valid, frame_valid = inputs([4], missing=0.0)
    streams = {name: x.double() for name, x in streams.items()}
    joined = []
    for part in PARTS:
        features = model.backbones[part](streams[f"crops_{part}"][0]).cls
        linear = model.projectors[part].linear
        joined.append(features @ linear.weight.T + linear.bias)
    linear = model.projectors["pose"].linear
    joined.append(streams["pose"][0].reshape(4, 14) @ linear.weight.T + linear.bias)
    expected = torch.cat(joined, 1) @ model.fusion.linear.weight.T + model.fusion.linear.bias
    torch.testing.assert_close(model(streams, valid, frame_valid)[0], expected)


def test_a_missing_stream_is_the_learned_vector() -> None:
    projector = StreamProjector(in_dim=3, out_dim=2)
    projector.missing.data[:] = torch.tensor([5.0, -1.0])
    out = projector(torch.full((1, 2, 3), torch.nan), torch.tensor([[False, False]]))
    assert out.tolist() == [[[5.0, -1.0], [5.0, -1.0]]]


def test_fusion_is_one_matrix_over_the_streams_side_by_side() -> None:
    fusion = FuseConcatLinear(in_dims=[1, 2], out_dim=1)
    fusion.linear.weight.data[:] = torch.tensor([[1.0, 10.0, 100.0]])
    fusion.linear.bias.data[:] = 0.5
    out = fusion([torch.tensor([[[1.0]]]), torch.tensor([[[2.0, 3.0]]])])
    assert out.item() == 1 + 20 + 300 + 0.5


def test_only_frames_with_a_crop_go_through_the_backbone_in_chunks() -> None:
    backbone = Counting()
    model = encoder(backbones={"face": backbone}, frames_per_chunk=4).eval()
    streams, valid, frame_valid = inputs([7, 9])
    with torch.no_grad():
        model(streams, valid, frame_valid)
    seen = int(valid["crops_face"].sum())
    assert backbone.calls == [4] * (seen // 4) + [seen % 4] * (seen % 4 > 0)


@pytest.mark.parametrize("frozen", [(), ("face",)])
def test_a_batch_without_any_crop_works(frozen: tuple[str, ...]) -> None:
    model = encoder(frozen=frozen).train()
    streams, valid, frame_valid = inputs([3, 2])
    valid["crops_face"][:] = False
    model(streams, valid, frame_valid).sum().backward()
    gradient = model.backbones["face"].cls_token.grad
    assert (gradient is None) if frozen else (not gradient.any())


def test_frozen_backbones_neither_learn_nor_drop_whatever_the_mode() -> None:
    vit = tiny_vit(drop_path=0.9)
    model = encoder(backbones={"face": vit, "hand_left": tiny_vit()}, frozen=("face",))
    batch = inputs([4])
    assert model.train() is model
    assert (vit.training, model.backbones["hand_left"].training) == (False, True)
    kept = {name: tensor.clone() for name, tensor in vit.state_dict().items()}
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=0.1)
    model(*batch).square().sum().backward()
    optimizer.step()
    assert all(p.grad is None for p in vit.parameters())
    assert all(torch.equal(tensor, kept[name]) for name, tensor in vit.state_dict().items())
    assert model.backbones["hand_left"].cls_token.grad.any()


def test_ready_features_of_a_frozen_backbone_stand_for_its_crops() -> None:
    model = encoder(frozen=PARTS).eval()
    streams, valid, frame_valid = inputs([4, 6])
    ready = dict(streams)
    for part in PARTS:
        crops = streams[f"crops_{part}"]
        with torch.no_grad():
            features = model.backbones[part](crops.flatten(0, 1)).cls.unflatten(0, (2, 6))
        ready[f"crops_{part}"] = features
    ready = poisoned(ready, valid)
    torch.testing.assert_close(model(ready, valid, frame_valid), model(streams, valid, frame_valid))


def test_ready_features_for_a_backbone_in_training_are_refused() -> None:
    streams, valid, frame_valid = inputs([2])
    streams["crops_face"] = torch.zeros(1, 2, 8)
    with pytest.raises(ValueError, match="features of face were given, but its backbone is"):
        encoder()(streams, valid, frame_valid)


@pytest.mark.parametrize("drop_path", [0.0, 0.5])
def test_chunks_change_neither_values_nor_gradients(drop_path: float) -> None:
    """Computing a chunk again repeats its random choices: equal to keeping its activations."""
    batch, found = inputs([5, 8]), []
    for size, recompute in ((3, True), (3, False), (1000, False)):
        vit = tiny_vit(drop_path=drop_path)
        model = encoder(backbones={"face": vit}, frames_per_chunk=size).double().train()
        model.temporal.eval()
        if not recompute:
            model._in_chunks = without_recomputing(model)
        torch.manual_seed(3)
        out = model({n: x.double() for n, x in batch[0].items()}, *batch[1:])
        out.square().sum().backward()
        found.append([out, *(p.grad for p in vit.parameters() if p.grad is not None)])
    for chunked, plain, whole in zip(*found, strict=True):
        torch.testing.assert_close(chunked, plain, rtol=1e-10, atol=1e-12)
        if not drop_path:  # else other sizes draw other numbers
            torch.testing.assert_close(chunked, whole, rtol=1e-10, atol=1e-12)


def without_recomputing(model: MultiStreamEncoder):
    original = model._in_chunks
    return lambda *args, recompute: original(*args, recompute=False)


def kept_bytes(frames: int, frames_per_chunk: int) -> int:
    """Bytes that autograd keeps for the way back, crops not counted."""
    model = encoder(
        backbones={"face": tiny_vit(depth=4)}, layers=0, frames_per_chunk=frames_per_chunk,
        pose_dim=0,
    ).train()  # fmt: skip
    streams, valid, frame_valid = inputs([frames], missing=0.0)
    ignored = {streams["crops_face"].untyped_storage().data_ptr()}
    ignored |= {p.untyped_storage().data_ptr() for p in model.parameters()}
    kept: dict[int, int] = {}

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in ignored:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        out = model(streams, valid, frame_valid)
    assert out.requires_grad
    return sum(kept.values())


def test_memory_for_the_way_back_does_not_grow_with_the_frames() -> None:
    """Per frame, only its index and its features remain; without chunks, every activation."""
    per_frame = (kept_bytes(64, 8) - kept_bytes(32, 8)) / 32
    unbounded = (kept_bytes(64, 64) - kept_bytes(32, 64)) / 32
    assert per_frame < 500  # features of 8, 6 and 12 floats, masks, indices
    assert unbounded > 20 * per_frame


def test_another_backbone_is_put_in_as_frozen_as_the_one_before() -> None:
    model = encoder(frozen=("face",)).double().train()
    before = model.projectors["face"]
    other = tiny_vit(7, drop_path=0.5)
    model.replace_backbone("face", other)
    assert model.backbones["face"] is other
    assert model.projectors["face"] is before  # of the same width: its weights stay
    assert not any(p.requires_grad for p in other.parameters())
    assert (other.training, other.cls_token.dtype) == (False, torch.float64)
    wider = tiny_vit(embed_dim=12)
    model.replace_backbone("hand_left", wider)
    assert model.projectors["hand_left"].linear.weight.shape == (6, 12)
    assert wider.training
    assert wider.cls_token.requires_grad
    streams, valid, frame_valid = inputs([3])
    model({n: x.double() for n, x in streams.items()}, valid, frame_valid).sum().backward()
    with pytest.raises(ValueError, match="no backbone 'body' here, only face, hand_left"):
        model.replace_backbone("body", tiny_vit())


def test_the_exported_graph_says_the_same_at_other_shapes() -> None:
    model = encoder().eval()
    batch, frames = torch.export.Dim("B", min=1), torch.export.Dim("T", min=1)
    free = {0: batch, 1: frames}
    example = inputs([3, 5])
    shapes = (dict.fromkeys(example[0], free), dict.fromkeys(example[1], free), free)
    program = torch.export.export(model, example, dynamic_shapes=shapes)
    other = inputs([7, 4, 2], seed=5)
    torch.testing.assert_close(program.module()(*other), model(*other))
