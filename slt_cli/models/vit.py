"""A vision transformer with the parameter names and shapes of DINOv2 (Oquab et al. 2023)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Interpolation = Literal["scale_offset", "antialias"]


@dataclass(frozen=True)
class VitOutput:
    """Tokens after the last norm: `cls` (N, D), `registers` (N, R, D), `patches` (N, P, D)."""

    cls: Tensor
    registers: Tensor
    patches: Tensor


class PatchEmbed(nn.Module):
    """Cut an image into square patches and project each one: (N, 3, H, W) -> (N, h, w, D)."""

    def __init__(self, patch_size: int, embed_dim: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(3, embed_dim, kernel_size=patch_size, stride=patch_size)

    def forward(self, pixels: Tensor) -> Tensor:
        """Row-major grid of patch vectors."""
        return self.proj(pixels).permute(0, 2, 3, 1)


class Attention(nn.Module):
    """Multi-head self-attention with one fused projection to queries, keys and values."""

    def __init__(self, width: int, num_heads: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        """Mix the tokens of (N, L, D)."""
        q, k, v = self.qkv(x).unflatten(2, (3, self.num_heads, -1)).permute(2, 0, 3, 1, 4)
        return self.proj(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2))


class Mlp(nn.Module):
    """Two linear layers with an exact GELU between them."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(width, hidden)
        self.fc2 = nn.Linear(hidden, width)

    def forward(self, x: Tensor) -> Tensor:
        """Transform each token of (N, L, D)."""
        return self.fc2(F.gelu(self.fc1(x)))


class LayerScale(nn.Module):
    """A learned factor per channel on a residual branch (Touvron et al. 2021)."""

    def __init__(self, width: int, init: float) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.full((width,), init))

    def forward(self, x: Tensor) -> Tensor:
        """Scale the channels of (N, L, D)."""
        return x * self.gamma


class Block(nn.Module):
    """Pre-norm transformer layer; in training each branch is left out with rate `drop_path`."""

    def __init__(
        self, width: int, num_heads: int, hidden: int, *, drop_path: float, layer_scale: float
    ) -> None:
        super().__init__()
        self.drop_path = drop_path
        self.norm1 = nn.LayerNorm(width, eps=1e-6)
        self.attn = Attention(width, num_heads)
        self.ls1 = LayerScale(width, layer_scale)
        self.norm2 = nn.LayerNorm(width, eps=1e-6)
        self.mlp = Mlp(width, hidden)
        self.ls2 = LayerScale(width, layer_scale)

    def forward(self, x: Tensor) -> Tensor:
        """Update the tokens of (N, L, D)."""
        x = x + self._drop(self.ls1(self.attn(self.norm1(x))))
        return x + self._drop(self.ls2(self.mlp(self.norm2(x))))

    def _drop(self, branch: Tensor) -> Tensor:
        """Stochastic depth per image (Huang et al. 2016), rescaled to keep the expected value."""
        if not self.training or self.drop_path == 0:
            return branch
        keep = 1 - self.drop_path
        kept = torch.rand(len(branch), 1, 1, device=branch.device) < keep
        return branch * kept.to(branch.dtype) / keep


class VisionTransformer(nn.Module):
    """Image backbone. The feature of an image is `forward(pixels).cls`.

    `image_size` is the side the position table is made for; other sizes are reached by bicubic
    interpolation, in the way the plain DINOv2 models do it (`scale_offset`: factor (n + 0.1) / N,
    no antialias) or the ones with registers (`antialias`: to the exact size). `config` holds the
    arguments, so `VisionTransformer(**vit.config)` has the same shape.
    """

    def __init__(
        self,
        *,
        image_size: int,
        patch_size: int,
        embed_dim: int,
        depth: int,
        num_heads: int,
        mlp_ratio: int = 4,
        num_registers: int = 0,
        interpolate: Interpolation = "scale_offset",
        layer_scale: float = 1.0,
        drop_path: float = 0.0,
    ) -> None:
        super().__init__()
        self.config: dict[str, int | float | str] = {
            "image_size": image_size, "patch_size": patch_size, "embed_dim": embed_dim,
            "depth": depth, "num_heads": num_heads, "mlp_ratio": mlp_ratio,
            "num_registers": num_registers, "interpolate": interpolate,
            "layer_scale": layer_scale, "drop_path": drop_path,
        }  # fmt: skip
        self.patch_size, self.embed_dim, self.interpolate = patch_size, embed_dim, interpolate
        self.num_registers = num_registers
        self.grid = image_size // patch_size
        self.cls_token = nn.Parameter(torch.zeros(1, 1, embed_dim))
        self.mask_token = nn.Parameter(torch.zeros(1, embed_dim))
        self.pos_embed = nn.Parameter(torch.zeros(1, 1 + self.grid**2, embed_dim))
        if num_registers:
            self.register_tokens = nn.Parameter(torch.zeros(1, num_registers, embed_dim))
        self.patch_embed = PatchEmbed(patch_size, embed_dim)
        rates = [drop_path * i / max(depth - 1, 1) for i in range(depth)]  # deeper ones drop more
        hidden = mlp_ratio * embed_dim
        self.blocks = nn.ModuleList(
            Block(embed_dim, num_heads, hidden, drop_path=rate, layer_scale=layer_scale)
            for rate in rates
        )
        self.norm = nn.LayerNorm(embed_dim, eps=1e-6)
        self._initialise()

    def _initialise(self) -> None:
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.trunc_normal_(module.weight, std=0.02)
                nn.init.zeros_(module.bias)
        for name in ("cls_token", "pos_embed", "register_tokens"):
            if hasattr(self, name):
                nn.init.trunc_normal_(getattr(self, name), std=0.02)

    def forward(self, pixels: Tensor, mask: Tensor | None = None) -> VitOutput:
        """Encode normalised `pixels` (N, 3, H, W); H and W are multiples of the patch size.

        `mask` (N, P) boolean: patches where it is True are replaced by the mask token.
        """
        patches = self.patch_embed(pixels)
        height, width = patches.shape[1:3]
        patches = patches.flatten(1, 2)
        if mask is not None:
            patches = torch.where(mask[..., None], self.mask_token.to(patches.dtype), patches)
        tokens = torch.cat([self.cls_token.expand(patches.shape[0], -1, -1), patches], dim=1)
        tokens = tokens + self.position_table(height, width)
        if self.num_registers:  # they stand for no place, so they enter after the positions
            registers = self.register_tokens.expand(tokens.shape[0], -1, -1)
            tokens = torch.cat([tokens[:, :1], registers, tokens[:, 1:]], dim=1)
        for block in self.blocks:
            tokens = block(tokens)
        tokens = self.norm(tokens)
        first = 1 + self.num_registers
        return VitOutput(tokens[:, 0], tokens[:, 1:first], tokens[:, first:])

    def position_table(self, height: int, width: int) -> Tensor:
        """Positions (1, 1 + height * width, D) for a grid of patches, class token first."""
        if (height, width) == (self.grid, self.grid):
            return self.pos_embed
        table = self.pos_embed[:, 1:].unflatten(1, (self.grid, self.grid)).permute(0, 3, 1, 2)
        if self.interpolate == "antialias":
            table = F.interpolate(table, size=(height, width), mode="bicubic", antialias=True)
        else:
            # The factor, not the size, sets the sampling points, hence the published + 0.1.
            factors = ((height + 0.1) / self.grid, (width + 0.1) / self.grid)
            table = F.interpolate(table, scale_factor=factors, mode="bicubic")
        return torch.cat([self.pos_embed[:, :1], table.flatten(2).transpose(1, 2)], dim=1)
