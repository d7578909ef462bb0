"""The autoencoder of a pixel model: it folds squares of pixels into channels, losing nothing."""

from __future__ import annotations

from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.models.autoencoders.vae import DecoderOutput
from diffusers.models.modeling_outputs import AutoencoderKLOutput
from diffusers.models.modeling_utils import ModelMixin
from torch import Tensor
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

    Stands where Stable Diffusion has its autoencoder, so that pixel diffusion runs in its shape.
    """

    @register_to_config
    def __init__(self, fold: int = 2, scaling_factor: float = 2.0) -> None:
        super().__init__()

    def encode(self, x: Tensor) -> AutoencoderKLOutput:
        return AutoencoderKLOutput(latent_dist=_Exact(F.pixel_unshuffle(x, self.config.fold)))

    def decode(self, z: Tensor) -> DecoderOutput:
        return DecoderOutput(sample=F.pixel_shuffle(z, self.config.fold))
