"""GPT-NeoX and Pythia: rotary positions on part of a head, attention and MLP side by side."""

from __future__ import annotations

from collections.abc import Callable

import torch

from models.flexgen.adapters.base import (
    Adapter,
    Attend,
    Rotation,
    Weights,
    activated,
    check_rotary,
    layer_norm,
    linear,
    rotary_table,
    rotate,
)


class NeoX(Adapter):
    """EleutherAI/gpt-neox-20b, pythia-* and models of their layout."""

    prefixes = ("gpt_neox.", "")
    token_table = "embed_in.weight"
    layer_prefix = "layers.{}."
    layer_parts = (
        "input_layernorm.weight",
        "input_layernorm.bias",
        "attention.query_key_value.weight",
        "attention.query_key_value.bias",
        "attention.dense.weight",
        "attention.dense.bias",
        "post_attention_layernorm.weight",
        "post_attention_layernorm.bias",
        "mlp.dense_h_to_4h.weight",
        "mlp.dense_h_to_4h.bias",
        "mlp.dense_4h_to_h.weight",
        "mlp.dense_4h_to_h.bias",
    )
    final_parts = ("final_layer_norm.weight", "final_layer_norm.bias")
    head_tables = ("embed_out.weight", "lm_head.weight")

    def check(self) -> None:
        """Raises ValueError for angles that depend on the batch."""
        check_rotary(self.config)

    @property
    def ffn(self) -> int:
        """Width h2 of the MLP."""
        return self.config.intermediate_size

    def rotation(self, positions: int) -> Callable[[torch.Tensor, torch.dtype], Rotation]:
        """Angles of the first `positions` positions, for the rotated part of a head."""
        from transformers.models.gpt_neox.modeling_gpt_neox import GPTNeoXRotaryEmbedding

        return rotary_table(GPTNeoXRotaryEmbedding, self.config, positions)

    def layer(
        self, index: int, w: Weights, x: torch.Tensor, rotation: Rotation | None, attend: Attend
    ) -> torch.Tensor:
        """x + Attention(LN1(x)) + MLP(LN2(x)); one after the other without parallel residual."""
        assert rotation is not None
        eps = self.config.layer_norm_eps
        heads = (*x.shape[:2], self.heads, 3 * self.head_dim)
        y = linear(layer_norm(x, w, "input_layernorm", eps), w, "attention.query_key_value")
        q, k, v = y.view(heads).chunk(3, dim=-1)
        y = linear(attend(rotate(q, rotation), rotate(k, rotation), v), w, "attention.dense")
        if self.config.use_parallel_residual:
            return self._mlp(w, x, eps) + y + x
        x = y + x
        return self._mlp(w, x, eps) + x

    def final(self, w: Weights, x: torch.Tensor) -> torch.Tensor:
        """The last layer norm."""
        return layer_norm(x, w, "final_layer_norm", self.config.layer_norm_eps)

    def _mlp(self, w: Weights, x: torch.Tensor, eps: float) -> torch.Tensor:
        y = linear(layer_norm(x, w, "post_attention_layernorm", eps), w, "mlp.dense_h_to_4h")
        return linear(activated(self.config.hidden_act, y), w, "mlp.dense_4h_to_h")
