"""Trains a ControlNet that hears the outlines of a picture, over a model that stays as it is."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import torch
from diffusers import ControlNetModel
from diffusers.models.attention_processor import AttnProcessor
from torch import Tensor

from models.collage.config import TrainConfig
from models.collage.edges import outlines
from models.collage.parts import Parts
from models.collage.train import Batches, Captioned, Course, denoising_loss, rate_share
from models.progress import Progress, silent
from models.training import torch_threads

_LOOK_EVERY = 50  # steps


def train_edges(
    parts: Parts, batches: Batches, config: TrainConfig, *, progress: Progress = silent
) -> tuple[ControlNetModel, Course]:
    """A ControlNet over the model, and the course of its training.

    Only it trains, on pictures with their own outlines; captions are dropped as in the model's own
    training. Progress counts steps.
    """
    with torch.random.fork_rng(devices=[]), torch_threads(config.threads):
        torch.manual_seed(config.seed)
        network = new_edges(parts)
        network.requires_grad_(True).train().set_attn_processor(AttnProcessor())
        processors = dict(parts.unet.attn_processors)
        parts.unet.set_attn_processor(AttnProcessor())
        try:
            course = _train(parts, network, batches, config, progress)
        finally:
            parts.unet.set_attn_processor(processors)
        network.set_default_attn_processor()
        return network.eval().requires_grad_(False), course


def new_edges(parts: Parts) -> ControlNetModel:
    """A ControlNet that begins as a copy of the U-Net's way down and adds nothing yet."""
    widths = (16, 32, 64, 96)[: parts.fold.bit_length()]  # it halves pictures down to latents
    return ControlNetModel.from_unet(parts.unet, conditioning_embedding_out_channels=widths)


def _train(
    parts: Parts,
    network: ControlNetModel,
    batches: Batches,
    config: TrainConfig,
    progress: Progress,
) -> Course:
    optimizer = torch.optim.AdamW(network.parameters(), config.learning_rate, weight_decay=1e-2)
    course, begun, losses = Course(), time.thread_time(), list[float]()
    for step in range(config.steps):
        for group in optimizer.param_groups:
            group["lr"] = config.learning_rate * rate_share(step, config)
        loss = _loss(parts, network, batches(step, config.batch), config, step)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        losses.append(loss.item())
        course.steps, course.seconds = step + 1, time.thread_time() - begun
        if course.steps % _LOOK_EVERY == 0:
            course.at.append(course.steps)
            course.loss.append(float(np.mean(losses)))
            losses.clear()
        progress(course.steps, config.steps)
    return course


def _loss(
    parts: Parts, network: ControlNetModel, batch: Captioned, config: TrainConfig, step: int
) -> Tensor:
    edges = torch.from_numpy(np.stack([outlines(image) for image in batch.images]))
    seen = edges[:, None].expand(-1, 3, -1, -1)

    def adding(noisy: Tensor, t: Tensor, hidden: Tensor) -> dict[str, Any]:
        down, middle = network(noisy, t, hidden, seen, return_dict=False)
        return {"down_block_additional_residuals": down, "mid_block_additional_residual": middle}

    return denoising_loss(parts, batch, config, step, adding)
