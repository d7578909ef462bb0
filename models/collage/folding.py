"""The autoencoder of a pixel model: it folds squares of pixels into channels, losing nothing."""

from __future__ import annotations

import torch
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.models.autoencoders.vae import DecoderOutput
from diffusers.models.modeling_outputs import AutoencoderKLOutput
from diffusers.models.modeling_utils import ModelMixin
from torch import Tensor, nn
from torch.nn import functional as F


class _Exact:
    """A distribution at one point, in the form of diffusers' Gaussian."""

    def __init__(self, latents: Tensor) -> None:
        self.latents = latents

    def sample(self, generator: object = None) -> Tensor:
        return self.latents

    def mode(self) -> Tensor:
        return self.latents


class FoldingAutoencoder(ModelMixin, ConfigMixin):  # type: ignore[misc]
    """Pictures (B, 3, S, S) to latents (B, 3 fold^2, S/fold, S/fold) and back, exactly.

    block_out_channels: pipelines count its halvings by their number; the widths mean nothing.
    Stands where Stable Diffusion has its autoencoder, so that pixel diffusion runs in its shape.
    """

    @register_to_config  # type: ignore[untyped-decorator]
    def __init__(
        self,
        fold: int = 2,
        scaling_factor: float = 2.0,
        block_out_channels: tuple[int, ...] = (1, 1),
    ) -> None:
        super().__init__()
        if len(block_out_channels) != fold.bit_length() or fold & (fold - 1):
            raise ValueError(f"fold {fold} must be a power of 2, with a width for every halving")
        # Pipelines ask an autoencoder's weights for their type.
        self.unit = nn.Parameter(torch.ones(()), requires_grad=False)

    def encode(self, x: Tensor) -> AutoencoderKLOutput:
        return AutoencoderKLOutput(latent_dist=_Exact(F.pixel_unshuffle(x, self.config.fold)))

    def decode(
        self, z: Tensor, return_dict: bool = True, generator: object = None
    ) -> DecoderOutput | tuple[Tensor]:
        sample = F.pixel_shuffle(z, self.config.fold)
        return DecoderOutput(sample=sample) if return_dict else (sample,)
