"""Llama, SmolLM2 and Qwen2: rotary positions, grouped heads, RMS norms, a gated MLP."""

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
    linear,
    rotary_table,
    rotate,
)


class Llama(Adapter):
    """Qwen2 is Llama with biases on q, k and v, which are used when they are there."""

    prefixes = ("model.", "")
    token_table = "embed_tokens.weight"
    layer_prefix = "layers.{}."
    layer_parts = (
        "input_layernorm.weight",
        "self_attn.q_proj.weight",
        "self_attn.q_proj.bias",
        "self_attn.k_proj.weight",
        "self_attn.k_proj.bias",
        "self_attn.v_proj.weight",
        "self_attn.v_proj.bias",
        "self_attn.o_proj.weight",
        "self_attn.o_proj.bias",
        "post_attention_layernorm.weight",
        "mlp.gate_proj.weight",
        "mlp.gate_proj.bias",
        "mlp.up_proj.weight",
        "mlp.up_proj.bias",
        "mlp.down_proj.weight",
        "mlp.down_proj.bias",
    )
    final_parts = ("norm.weight",)

    def check(self) -> None:
        """Raises ValueError for sliding windows and for angles that depend on the batch."""
        check_rotary(self.config)
        if "sliding_attention" in (getattr(self.config, "layer_types", None) or ()):
            raise ValueError("sliding-window attention is not supported")

    @property
    def ffn(self) -> int:
        """Width h2 of the MLP."""
        return self.config.intermediate_size

    def rotation(self, positions: int) -> Callable[[torch.Tensor, torch.dtype], Rotation]:
        """Angles of the first `positions` positions, scaled as the config says."""
        from transformers.models.llama.modeling_llama import LlamaRotaryEmbedding

        return rotary_table(LlamaRotaryEmbedding, self.config, positions)

    def layer(
        self, index: int, w: Weights, x: torch.Tensor, rotation: Rotation | None, attend: Attend
    ) -> torch.Tensor:
        """x + Attention(norm(x)), then x + MLP(norm(x))."""
        assert rotation is not None
        heads = (*x.shape[:2], -1, self.head_dim)
        y = self._norm(x, w["input_layernorm.weight"])
        q, k, v = (linear(y, w, f"self_attn.{part}_proj").view(heads) for part in "qkv")
        y = attend(rotate(q, rotation), rotate(k, rotation), v)
        x = x + linear(y, w, "self_attn.o_proj")
        y = self._norm(x, w["post_attention_layernorm.weight"])
        gate = activated(self.config.hidden_act, linear(y, w, "mlp.gate_proj"))
        return x + linear(gate.mul_(linear(y, w, "mlp.up_proj")), w, "mlp.down_proj")

    def final(self, w: Weights, x: torch.Tensor) -> torch.Tensor:
        """The last RMS norm."""
        return self._norm(x, w["norm.weight"])

    def _norm(self, x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        # In float32 whatever x is, rounded before the weight: as the models were trained.
        wide = x.float()
        scale = torch.rsqrt(wide.square().mean(-1, keepdim=True) + self.config.rms_norm_eps)
        return weight * (wide * scale).to(x.dtype)
