"""The parts of a text-to-picture model, as diffusers names them: opened, built, written.

A folder in diffusers' layout serves, whether it holds Stable Diffusion or our own small model.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import diffusers
import torch
import transformers
from diffusers import DDIMScheduler, UNet2DConditionModel
from torch import Tensor, nn
from transformers import CLIPTextConfig, CLIPTextModel, PreTrainedTokenizerFast

from models.collage.config import ModelConfig
from models.collage.folding import FoldingAutoencoder

_SPECIAL = ("<pad>", "<start>", "<end>", "<unknown>")
_COMPONENTS = ("vae", "text_encoder", "tokenizer", "unet", "scheduler")


@dataclass
class Parts:
    """What text-to-picture diffusion needs; all networks in evaluation mode."""

    vae: Any  # encode(pixels).latent_dist, decode(latents), config.scaling_factor
    text_encoder: Any  # a CLIPTextModel
    tokenizer: Any
    unet: UNet2DConditionModel
    scheduler: Any

    @property
    def fold(self) -> int:
        """Pixels along a side of one latent."""
        return 2 ** (len(self.vae.config.block_out_channels) - 1)

    @property
    def alphas(self) -> Tensor:
        """Cumulative products of alpha over the training timesteps, abar (1000,)."""
        return self.scheduler.alphas_cumprod

    def token_ids(self, prompts: Sequence[str]) -> Tensor:
        """Prompts as padded numbers (B, tokens). Raises ValueError for one that is too long."""
        longest = self.tokenizer.model_max_length
        for prompt in prompts:
            n = len(self.tokenizer(prompt).input_ids)
            if n > longest:
                raise ValueError(f"prompt of {n} tokens, more than {longest}: {prompt[:60]!r}")
        return self.tokenizer(
            list(prompts), padding="max_length", max_length=longest, return_tensors="pt"
        ).input_ids

    def encode_text(self, ids: Tensor) -> Tensor:
        """Hidden states of prompts (B, tokens, width)."""
        return self.text_encoder(ids).last_hidden_state

    def encode(self, pixels: Tensor) -> Tensor:
        """Latents of pictures (B, 3, S, S) in -1..1: the mode of the encoder's distribution."""
        return self.vae.encode(pixels).latent_dist.mode() * self.vae.config.scaling_factor

    def decode(self, latents: Tensor) -> Tensor:
        """Pictures (B, 3, S, S), clamped to -1..1."""
        return self.vae.decode(latents / self.vae.config.scaling_factor).sample.clamp(-1, 1)

    def networks(self) -> list[nn.Module]:
        return [self.vae, self.text_encoder, self.unet]


def build_parts(words: Sequence[str], config: ModelConfig, seed: int) -> Parts:
    """The small model with random weights; `words` is all it will ever read."""
    tokenizer = word_tokenizer(words, config.tokens)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        text_encoder = CLIPTextModel(
            CLIPTextConfig(
                vocab_size=len(tokenizer),
                hidden_size=config.text_width,
                intermediate_size=4 * config.text_width,
                num_hidden_layers=config.text_layers,
                num_attention_heads=max(config.text_width // 16, 1),
                max_position_embeddings=config.tokens,
                pad_token_id=tokenizer.pad_token_id,
                bos_token_id=tokenizer.bos_token_id,
                eos_token_id=tokenizer.eos_token_id,
            )
        )
        depth = len(config.channels)
        unet = UNet2DConditionModel(
            sample_size=config.size // config.fold,
            in_channels=3 * config.fold**2,
            out_channels=3 * config.fold**2,
            block_out_channels=config.channels,
            layers_per_block=config.layers,
            down_block_types=("CrossAttnDownBlock2D",) * depth,
            up_block_types=("CrossAttnUpBlock2D",) * (depth - 1) + ("UpBlock2D",),
            cross_attention_dim=config.text_width,
            norm_num_groups=min(config.channels[0], 16),
            attention_head_dim=[max(c // config.head, 1) for c in config.channels],  # heads
        )
    scheduler = DDIMScheduler(
        beta_schedule="scaled_linear",
        beta_start=0.00085,
        beta_end=0.012,
        prediction_type="v_prediction",
        clip_sample=False,
        set_alpha_to_one=True,
        timestep_spacing="trailing",
    )
    return Parts(
        FoldingAutoencoder(config.fold, block_out_channels=(1,) * config.fold.bit_length()),
        text_encoder.eval(),
        tokenizer,
        unet.eval(),
        scheduler,
    )


def word_tokenizer(words: Sequence[str], longest: int) -> PreTrainedTokenizerFast:
    """Splits at spaces and commas, lower case, one number a word; unknown words share one."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

    vocabulary = {word: i for i, word in enumerate(dict.fromkeys((*_SPECIAL, *words)))}
    plain = Tokenizer(models.WordLevel(vocabulary, unk_token="<unknown>"))
    plain.normalizer = normalizers.Lowercase()
    plain.pre_tokenizer = pre_tokenizers.Whitespace()
    plain.post_processor = processors.TemplateProcessing(
        single="<start> $A <end>",
        special_tokens=[(token, vocabulary[token]) for token in ("<start>", "<end>")],
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=plain,
        pad_token="<pad>",
        bos_token="<start>",
        eos_token="<end>",
        unk_token="<unknown>",
        model_max_length=longest,
    )


def save_parts(parts: Parts, folder: Path, dtype: torch.dtype = torch.float32) -> None:
    """Writes a folder in diffusers' layout; weights are stored as `dtype`, safetensors only."""
    index: dict[str, object] = {"_class_name": "StableDiffusionPipeline"}
    for name in _COMPONENTS:
        part = getattr(parts, name)
        index[name] = [type(part).__module__.split(".")[0], type(part).__name__]
        if isinstance(part, nn.Module):
            part = copy.deepcopy(part).to(dtype)
        part.save_pretrained(folder / name)
    (folder / "model_index.json").write_text(json.dumps(index, indent=2) + "\n", "utf-8")


def open_parts(folder: Path) -> Parts:
    """A model from a folder in diffusers' layout, in float32, from files alone.

    Raises ValueError naming what is missing.
    """
    index_file = folder / "model_index.json"
    if not index_file.is_file():
        raise ValueError(f"{folder}: no model_index.json; give a folder in diffusers' layout")
    index = json.loads(index_file.read_text("utf-8"))
    lacking = [name for name in _COMPONENTS if name not in index or not (folder / name).is_dir()]
    if lacking:
        raise ValueError(f"{folder}: lacks {', '.join(lacking)}")
    loaded = {}
    for name in _COMPONENTS:
        kind = _class_of(index[name], folder)
        # Else a missing file of weights would be looked for as a pickle.
        safe = {"use_safetensors": True} if issubclass(kind, nn.Module) else {}
        loaded[name] = kind.from_pretrained(folder / name, local_files_only=True, **safe)
        if isinstance(loaded[name], nn.Module):
            loaded[name] = loaded[name].float().eval().requires_grad_(False)
    return Parts(**loaded)


def _class_of(entry: Sequence[str], folder: Path) -> Any:
    """The class an entry of model_index.json names, of the two libraries or our own."""
    library, name = entry
    if name == FoldingAutoencoder.__name__:
        return FoldingAutoencoder
    home = {"diffusers": diffusers, "transformers": transformers}.get(library)
    if home is None or not hasattr(home, name):
        raise ValueError(f"{folder}: knows no class {library}.{name}")
    return getattr(home, name)
