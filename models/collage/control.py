"""Cross-attention control: every layer's words are drawn to where the layer is seen.

As the authors' code has it; for text token j of layer l, logits S already divided by sqrt(d):

    S[:, p, j] += g(sigma) s_j (w_pos M_l(p) - w_neg (1 - M_l(p)))

with s_j the largest logit of j over heads and positions (at least 0), or their standard deviation.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from diffusers import UNet2DConditionModel
from diffusers.models.attention_processor import Attention
from torch import Tensor
from torch.nn import functional as F

from models.collage.config import Scale, Schedule
from models.collage.masks import Size


def gain(sigma: float, schedule: Schedule) -> float:
    """g(sigma): how strongly attention is steered at noise sigma = sqrt((1 - abar) / abar)."""
    if schedule == "loglog":
        return math.log(math.log(sigma + 1.01) + 1)
    if schedule == "log":
        return math.log(sigma + 1.01)
    return math.log(1 + sigma**2)


@dataclass
class Control:
    """What steers the attention of B collages; `sigma` follows the sampler.

    pull: for every level (h, w) what is added, before g and s_j: w_pos M - w_neg (1 - M) in the
    columns of layers' words, 0 in all others (B, h w, tokens).
    """

    pull: Mapping[Size, Tensor]
    scale: Scale = "max"
    schedule: Schedule = "loglog"
    sigma: float = 1.0

    def steer(self, logits: Tensor) -> Tensor:
        """Logits (B, H, P, tokens) with every layer's words pulled to its place."""
        pull = next(p for p in self.pull.values() if p.shape[1] == logits.shape[2])
        if self.scale == "max":
            spread = logits.amax((1, 2)).clamp(min=0)  # a largest logit below 0 would turn the sign
        else:
            spread = logits.float().std((1, 2), correction=0).to(logits.dtype)
        factor = gain(self.sigma, self.schedule) * spread  # (B, tokens)
        return logits + (pull.to(logits.dtype) * factor[:, None, :])[:, None]


def pulls(
    pyramid: Mapping[Size, Tensor], layer: Tensor, attend: Tensor, avoid: Tensor
) -> dict[Size, Tensor]:
    """w_pos M - w_neg (1 - M) at every level, by token (B, h w, tokens).

    pyramid: masks by level (B, n, h w). layer: number of the layer of each token, below 0 for none
    (B, tokens). attend, avoid: w_pos and w_neg (B, n).
    """
    none = (layer < 0)[:, None, :]
    number = layer.clamp(min=0)
    found = {}
    for size, masks in pyramid.items():
        weighted = attend[..., None] * masks - avoid[..., None] * (1 - masks)  # (B, n, h w)
        index = number[:, :, None].expand(-1, -1, weighted.shape[2])
        by_token = weighted.gather(1, index).transpose(1, 2)
        found[size] = by_token.masked_fill(none, 0.0)
    return found


class SteeredAttention:
    """Cross-attention of a U-Net whose second half of the batch, the conditional one, is steered.

    Without a control it is plain attention. The unconditional half is computed as ever.
    """

    def __init__(self, control: Control) -> None:
        self.control = control

    def __call__(
        self,
        attn: Attention,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor,
        attention_mask: Tensor | None = None,
        temb: Tensor | None = None,
    ) -> Tensor:
        if attention_mask is not None:
            raise ValueError("steered attention takes no attention mask")
        batch = hidden_states.shape[0]
        query, key, value = (
            project(states).view(batch, states.shape[1], attn.heads, -1).transpose(1, 2)
            for project, states in (
                (attn.to_q, hidden_states),
                (attn.to_k, encoder_hidden_states),
                (attn.to_v, encoder_hidden_states),
            )
        )  # fmt: skip
        half = batch // 2
        plain = F.scaled_dot_product_attention(query[:half], key[:half], value[:half])
        logits = query[half:] @ key[half:].transpose(-1, -2) * attn.scale  # (B, H, P, tokens)
        steered = self.control.steer(logits).softmax(-1) @ value[half:]
        joined = torch.cat([plain, steered]).transpose(1, 2).flatten(2)
        return attn.to_out[1](attn.to_out[0](joined))


@contextmanager
def steered(unet: UNet2DConditionModel, control: Control | None) -> Iterator[None]:
    """Steers a U-Net's cross-attention; its own processors are back afterwards, come what may."""
    if control is None:
        yield
        return
    before = dict(unet.attn_processors)
    mine = SteeredAttention(control)
    unet.set_attn_processor(
        {name: mine if "attn2" in name else own for name, own in before.items()}
    )
    try:
        yield
    finally:
        unet.set_attn_processor(before)
