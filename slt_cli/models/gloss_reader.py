"""Glosses in place of signing: ids to the features that a text decoder attends to."""

from __future__ import annotations

from torch import Tensor, nn


class GlossReader(nn.Module):
    """One learned vector for each gloss.

    With it a text decoder learns from gloss sentences alone, as Guan et al. (2024) train theirs
    before they join it with the keypoint network.
    """

    def __init__(self, *, num_classes: int, width: int) -> None:
        """`num_classes` as of the gloss heads: class 0, their blank, pads and is a zero vector."""
        super().__init__()
        self.embed = nn.Embedding(num_classes, width, padding_idx=0)
        nn.init.normal_(self.embed.weight, std=width**-0.5)
        nn.init.zeros_(self.embed.weight[0])

    def forward(self, glosses: Tensor) -> tuple[Tensor, Tensor]:
        """(B, G) gloss ids, 0 on padding -> (B, G, D) features and their mask (B, G).

        A clip without glosses reads one zero vector: attention to nothing is not defined.
        """
        valid = glosses > 0
        valid[:, 0] = True
        return self.embed(glosses), valid
