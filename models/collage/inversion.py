"""Textual inversion by layer: a learned word that stands for how one layer looks.

Only vectors train that belong to no vocabulary: tokenizer, text encoder and U-Net stay as they are.
The loss is taken where the layer is seen, and divided by that area, so that small layers learn as
fast as large ones. All layers of a collage learn at once, each from its own pictures.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from models.collage.config import InversionConfig
from models.collage.layers import CANVAS, Collage
from models.collage.masks import resized
from models.collage.parts import Parts
from models.collage.words import learned_words, read_prompt
from models.progress import Progress, silent


class Learned(NamedTuple):
    """The words of a collage's layers, in their order, and how learning went."""

    rows: Tensor  # (n vectors, width): first all words of layer 1, then those of layer 2
    losses: tuple[float, ...]  # by step, mean over layers


class Views(NamedTuple):
    """What is learned from: every layer alone on the plain canvas."""

    pixels: Tensor  # (n, 3, H, W) in -1..1
    alpha: Tensor  # (n, 1, H, W)


def learn_words(
    parts: Parts, collage: Collage, config: InversionConfig, *, progress: Progress = silent
) -> Learned:
    """Learns `vectors` words for every layer of a collage; progress counts steps.

    Raises ValueError if the vocabulary lacks the word to begin from as one token.
    """
    n, width = len(collage.layers), parts.text_encoder.get_input_embeddings().weight.shape[1]
    rows = _beginning(parts, config.begin).expand(n * config.vectors, width).clone()
    rows.requires_grad_(True)
    optimizer = torch.optim.AdamW(
        [rows], config.learning_rate, betas=(0.9, 0.999), weight_decay=config.weight_decay
    )
    random = torch.Generator().manual_seed(config.seed)
    losses = list[float]()
    for step in range(config.steps):
        loss = inversion_loss(parts, collage, rows, config, random)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
        progress(step + 1, config.steps)
    return Learned(rows.detach(), tuple(losses))


def word_rows(layers: int, vectors: int) -> list[list[int]]:
    """Which rows are whose: `vectors` in a row for every layer."""
    return [list(range(k * vectors, (k + 1) * vectors)) for k in range(layers)]


def save_words(path: Path, words: Mapping[str, Tensor]) -> None:
    """Writes {word: vectors (k, width)} in the form diffusers' load_textual_inversion reads."""
    save_file({word: vectors.contiguous() for word, vectors in words.items()}, path)


def load_words(path: Path, parts: Parts) -> dict[str, Tensor]:
    """Words that `save_words` wrote. Raises ValueError if they are of another model's width."""
    width = parts.text_encoder.get_input_embeddings().weight.shape[1]
    words = load_file(path)
    for word, vectors in words.items():
        if vectors.ndim != 2 or vectors.shape[1] != width:
            raise ValueError(f"{path}: {word!r} is {tuple(vectors.shape)}, the model reads {width}")
    return words


def inversion_loss(
    parts: Parts,
    collage: Collage,
    rows: Tensor,
    config: InversionConfig,
    random: torch.Generator,
) -> Tensor:
    """Mean squared error of the noise within every layer's mask, mean over layers and views."""
    n, size, views = len(collage.layers), config.batch, layer_views(collage)
    which = torch.arange(n).repeat_interleave(size)  # layer of every view
    z = parts.encode(_jittered(views.pixels[which], config, random))
    mask = resized(views.alpha, (z.shape[2], z.shape[3]))[which]
    picks = torch.randint(len(config.templates), (len(which),), generator=random)
    prompts = [
        _about(
            parts, config.templates[pick], collage.layers[k].text, word_rows(n, config.vectors)[k]
        )
        for pick, k in zip(picks.tolist(), which.tolist(), strict=True)
    ]
    noise = torch.randn(z.shape, generator=random)
    t = torch.randint(len(parts.alphas), (len(z),), generator=random)
    abar = parts.alphas[t].view(-1, 1, 1, 1)
    noisy = abar.sqrt() * z + (1 - abar).sqrt() * noise
    with learned_words(parts, rows):
        hidden = parts.encode_text(torch.stack(prompts))
    found = parts.unet(noisy, t, hidden).sample
    if parts.scheduler.config.prediction_type == "v_prediction":
        target = abar.sqrt() * noise - (1 - abar).sqrt() * z
    else:
        target = noise
    error = ((found - target) ** 2).mean(1, keepdim=True) * mask
    return (error.sum((1, 2, 3)) / mask.sum((1, 2, 3)).clamp(min=1e-6)).mean()


def layer_views(collage: Collage) -> Views:
    """Every layer of a collage alone."""
    rgba = torch.from_numpy(collage.pixels).permute(0, 3, 1, 2).float() / 255  # (n, 4, H, W)
    alpha, canvas = rgba[:, 3:], torch.tensor(CANVAS).view(1, 3, 1, 1) / 255
    return Views(2 * (alpha * rgba[:, :3] + (1 - alpha) * canvas) - 1, alpha)


def _jittered(pixels: Tensor, config: InversionConfig, random: torch.Generator) -> Tensor:
    """Views that differ in brightness and contrast (B, 3, H, W); their outlines stay in place."""
    brighter, steeper = (
        1 + reach * (2 * torch.rand(len(pixels), 1, 1, 1, generator=random) - 1)
        for reach in (config.brightness, config.contrast)
    )
    light = (pixels + 1) / 2 * brighter
    mean = light.mean((1, 2, 3), keepdim=True)
    return ((light - mean) * steeper + mean).clamp(0, 1) * 2 - 1


def _about(parts: Parts, template: str, text: str, rows: Sequence[int]) -> Tensor:
    return read_prompt(parts, template.format(text), [text], [rows]).ids


def _beginning(parts: Parts, word: str) -> Tensor:
    ids = parts.tokenizer(word, add_special_tokens=False).input_ids
    if len(ids) != 1:
        raise ValueError(f"learned words begin from one known word; {word!r} is {len(ids)} tokens")
    return parts.text_encoder.get_input_embeddings().weight[ids].detach()
