"""OPT: learned positions from row 2, layer norm before attention and MLP, ReLU."""

from __future__ import annotations

import torch

from models.flexgen.adapters.base import (
    Adapter,
    Attend,
    Rotation,
    Weights,
    activated,
    layer_norm,
    linear,
)

_EPS = 1e-5


class OPT(Adapter):
    """facebook/opt-*, except 350m, which norms after the sub-layers and projects its embedding."""

    prefixes = ("model.decoder.", "decoder.", "")
    token_table = "embed_tokens.weight"
    position_table = "embed_positions.weight"
    position_offset = 2
    layer_prefix = "layers.{}."
    layer_parts = (
        "self_attn.q_proj.weight",
        "self_attn.q_proj.bias",
        "self_attn.k_proj.weight",
        "self_attn.k_proj.bias",
        "self_attn.v_proj.weight",
        "self_attn.v_proj.bias",
        "self_attn.out_proj.weight",
        "self_attn.out_proj.bias",
        "self_attn_layer_norm.weight",
        "self_attn_layer_norm.bias",
        "fc1.weight",
        "fc1.bias",
        "fc2.weight",
        "fc2.bias",
        "final_layer_norm.weight",
        "final_layer_norm.bias",
    )
    final_parts = ("final_layer_norm.weight", "final_layer_norm.bias")

    def check(self) -> None:
        """Raises ValueError for the layout of OPT-350M."""
        config = self.config
        if not config.do_layer_norm_before or config.word_embed_proj_dim != config.hidden_size:
            raise ValueError(
                "OPT with norms after its sub-layers (OPT-350M) is not supported; every other is"
            )
        if config._remove_final_layer_norm or not config.layer_norm_elementwise_affine:
            raise ValueError("OPT without final or without affine layer norms is not supported")

    @property
    def ffn(self) -> int:
        """Width h2 of the MLP."""
        return self.config.ffn_dim

    def layer(
        self, index: int, w: Weights, x: torch.Tensor, rotation: Rotation | None, attend: Attend
    ) -> torch.Tensor:
        """x + Attention(LN(x)), then x + MLP(LN(x))."""
        shape = (*x.shape[:2], self.heads, self.head_dim)
        y = layer_norm(x, w, "self_attn_layer_norm", _EPS)
        q, k, v = (linear(y, w, f"self_attn.{part}_proj").view(shape) for part in "qkv")
        x = x + linear(attend(q, k, v), w, "self_attn.out_proj")
        y = linear(layer_norm(x, w, "final_layer_norm", _EPS), w, "fc1")
        return x + linear(activated(self.config.activation_function, y), w, "fc2")

    def final(self, w: Weights, x: torch.Tensor) -> torch.Tensor:
        """The last layer norm."""
        return layer_norm(x, w, "final_layer_norm", _EPS)
