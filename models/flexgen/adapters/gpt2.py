"""GPT-2: learned positions, fused q, k, v, matrices stored (in, out)."""

from __future__ import annotations

import torch

from models.flexgen.adapters.base import Adapter, Attend, Rotation, Weights, activated, layer_norm


class GPT2(Adapter):
    """gpt2, gpt2-medium, -large, -xl and models of their layout."""

    prefixes = ("transformer.", "")
    token_table = "wte.weight"
    position_table = "wpe.weight"
    layer_prefix = "h.{}."
    layer_parts = (
        "ln_1.weight",
        "ln_1.bias",
        "attn.c_attn.weight",
        "attn.c_attn.bias",
        "attn.c_proj.weight",
        "attn.c_proj.bias",
        "ln_2.weight",
        "ln_2.bias",
        "mlp.c_fc.weight",
        "mlp.c_fc.bias",
        "mlp.c_proj.weight",
        "mlp.c_proj.bias",
    )
    final_parts = ("ln_f.weight", "ln_f.bias")

    def check(self) -> None:
        """Raises ValueError for scalings of the scores other than 1 / sqrt(head_dim)."""
        if self.config.scale_attn_by_inverse_layer_idx or not self.config.scale_attn_weights:
            raise ValueError("GPT-2 with other than 1/sqrt(head_dim) score scaling is unsupported")
        if self.config.add_cross_attention:
            raise ValueError("GPT-2 with cross-attention is not supported")

    @property
    def ffn(self) -> int:
        """Width h2 of the MLP."""
        return self.config.n_inner or 4 * self.config.hidden_size

    def layer(
        self, index: int, w: Weights, x: torch.Tensor, rotation: Rotation | None, attend: Attend
    ) -> torch.Tensor:
        """x + Attention(LN(x)), then x + MLP(LN(x))."""
        heads = (*x.shape[:2], self.heads, self.head_dim)
        eps = self.config.layer_norm_epsilon
        y = _conv1d(layer_norm(x, w, "ln_1", eps), w, "attn.c_attn")
        q, k, v = (part.reshape(heads) for part in y.split(x.shape[-1], dim=-1))
        x = x + _conv1d(attend(q, k, v), w, "attn.c_proj")
        y = _conv1d(layer_norm(x, w, "ln_2", eps), w, "mlp.c_fc")
        return x + _conv1d(activated(self.config.activation_function, y), w, "mlp.c_proj")

    def final(self, w: Weights, x: torch.Tensor) -> torch.Tensor:
        """The last layer norm."""
        return layer_norm(x, w, "ln_f", self.config.layer_norm_epsilon)


def _conv1d(x: torch.Tensor, w: Weights, name: str) -> torch.Tensor:
    """x W + b with W (in, out)."""
    rows = torch.addmm(w[f"{name}.bias"], x.reshape(-1, x.shape[-1]), w[f"{name}.weight"])
    return rows.view(*x.shape[:-1], -1)
