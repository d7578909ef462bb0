"""From collages to pictures: steered, held and freed layer by layer, with any scheduler.

z0 is the encoded composite. Sampling begins from it with the noise of the freest layer; after every
step each place p that SDEdit with its noise N(p) would not have begun to change is put back to z0
with the noise of the time just reached, and at the end, without noise: SDEdit with a start of its
own for every layer. The noise drawn for the start is also that of all held places: so a layer that
is freed begins as it would if all layers were freed with it, whatever the others do.
"""

from __future__ import annotations

import copy
import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import diffusers
import numpy as np
import torch
from torch import Tensor

from models.collage.config import SampleConfig
from models.collage.control import Control, pulls, steered
from models.collage.edges import EdgeControl
from models.collage.layers import Collage, Floats
from models.collage.masks import Size, free_steps, held, noise_map, pyramid, resized
from models.collage.parts import Parts
from models.collage.train import to_signed
from models.collage.words import Prompt, learned_words, read_prompt
from models.progress import Progress, silent


@dataclass(frozen=True)
class Words:
    """Learned words: rows[layers[b][i]] stand before the words of layer i of collage b."""

    rows: Tensor  # (R, width)
    layers: Sequence[Sequence[Sequence[int]]]


@torch.no_grad()
def compose(
    parts: Parts,
    collages: Sequence[Collage],
    config: SampleConfig,
    seeds: Sequence[int],
    *,
    words: Words | None = None,
    edges: Sequence[EdgeControl] = (),
    progress: Progress = silent,
) -> Tensor:
    """Pictures (B, 3, H, W) in -1..1 of collages of one size, each from its own seed.

    A batch gives what its members give alone; those that begin at the same step share one. Progress
    counts sampler steps. Raises ValueError for collages of several sizes, canvases that the model
    cannot halve, and words the prompt lacks.
    """
    if len(seeds) != len(collages):
        raise ValueError(f"{len(seeds)} seeds for {len(collages)} collages")
    latent = _latent_size(collages, parts)
    noise = [noise_of(c, config, latent) for c in collages]
    lengths = [_length(config, one) for one in noise]
    learned = words.layers if words else [()] * len(collages)
    found: dict[int, Tensor] = {}
    for n in sorted(set(lengths)):
        members = [i for i, length in enumerate(lengths) if length == n]
        chosen = [_Member(collages[i], seeds[i], noise[i], learned[i]) for i in members]
        run = _Run(parts, chosen, config, edges)
        with steered(parts.unet, run.control), learned_words(parts, words.rows if words else None):
            found.update(zip(members, run.sample(n, progress), strict=True))
    return torch.stack([found[i] for i in range(len(collages))])


def noise_of(collage: Collage, config: SampleConfig, latent: Size) -> Tensor:
    """N(p) of a collage at latent size (1, 1, h, w)."""
    if config.strength is not None:
        return torch.full((1, 1, *latent), config.strength)
    return noise_map(
        torch.from_numpy(collage.visible)[None],
        torch.tensor([[layer.noise for layer in collage.layers]]),
        torch.tensor([collage.noise]),
        latent,
        config.blur * min(collage.size),
    )


def sigma_of(alphas: Tensor, timestep: float) -> float:
    """sqrt((1 - abar) / abar) at a timestep, which may lie between two trained ones."""
    low = min(max(int(timestep), 0), len(alphas) - 1)
    high = min(low + 1, len(alphas) - 1)
    below, above = ((1 / alphas[i].double() - 1).log() / 2 for i in (low, high))
    return torch.lerp(below, above, timestep - low).exp().item()


class _Member(NamedTuple):
    """One collage of a batch."""

    collage: Collage
    seed: int
    noise: Tensor  # (1, 1, h, w)
    learned: Sequence[Sequence[int]]  # rows of learned words, by layer


class _Run:
    """One sampling of a batch whose members begin at the same step."""

    def __init__(
        self,
        parts: Parts,
        members: Sequence[_Member],
        config: SampleConfig,
        edges: Sequence[EdgeControl],
    ) -> None:
        self.parts, self.config = parts, config
        collages, seeds = [m.collage for m in members], [m.seed for m in members]
        self.noise = torch.cat([m.noise for m in members])  # (B, 1, h, w)
        self.free = free_steps(self.noise, config.steps)
        self.pixels = to_signed(np.stack([c.composite for c in collages]))
        self.masks = torch.from_numpy(_padded([c.visible for c in collages]))  # (B, n, H, W)
        self.z0 = parts.encode(self.pixels)
        self.latent = (self.z0.shape[2], self.z0.shape[3])
        self.random = [torch.Generator().manual_seed(seed) for seed in seeds]
        self.epsilon = drawn(self.z0.shape, self.random)  # of the start, and of all that is held
        prompts = [
            read_prompt(parts, m.collage.prompt, m.collage.texts, m.learned) for m in members
        ]
        self.ids = torch.stack([p.ids for p in prompts])
        self.control = self._control(collages, prompts) if config.control else None
        self.edges = [(one, one.maps(collages)) for one in edges]

    def sample(self, steps: int, progress: Progress) -> Tensor:
        """Pictures after the last `steps` steps of the schedule (B, 3, H, W)."""
        parts, config = self.parts, self.config
        scheduler = own_scheduler(parts, config.scheduler)
        scheduler.set_timesteps(config.steps)
        # A scheduler of higher order has more timesteps than steps.
        order = getattr(scheduler, "order", 1)
        timesteps = scheduler.timesteps[max((config.steps - steps) * order, 0) :]
        if not steps:
            return self._pasted(parts.decode(self.z0))
        hidden = parts.encode_text(
            torch.cat([parts.token_ids([config.negative] * len(self.ids)), self.ids])
        )
        z = self._start(scheduler, timesteps)
        for i, t in enumerate(timesteps):
            z = self._step(scheduler, z, t, hidden)
            if config.start == "collage":
                z = self._hold(scheduler, z, timesteps[i + 1 :], order)
            progress(i + 1, len(timesteps))
        return self._pasted(parts.decode(z))

    def _control(self, collages: Sequence[Collage], prompts: Sequence[Prompt]) -> Control:
        attend, avoid = (
            torch.from_numpy(_padded([np.array([getattr(la, name) for la in c.layers], np.float32)
                                      for c in collages]))
            for name in ("attend", "avoid")
        )  # fmt: skip
        levels = len(self.parts.unet.config.block_out_channels)
        by_level = pyramid(self.masks, self.latent, levels)
        found = pulls(by_level, torch.stack([p.layer for p in prompts]), attend, avoid)
        return Control(found, self.config.scale, self.config.schedule)

    def _start(self, scheduler: Any, timesteps: Tensor) -> Tensor:
        if self.config.start == "noise":
            return self.epsilon * scheduler.init_noise_sigma
        return self._noised(scheduler, timesteps[0])

    def _noised(self, scheduler: Any, t: Tensor) -> Tensor:
        return scheduler.add_noise(self.z0, self.epsilon, t.expand(len(self.epsilon)))

    def _step(self, scheduler: Any, z: Tensor, t: Tensor, hidden: Tensor) -> Tensor:
        if self.control is not None:
            self.control.sigma = sigma_of(self.parts.alphas, float(t))
        both = scheduler.scale_model_input(torch.cat([z, z]), t)
        residuals: Mapping[str, Any] = {}
        for edges, maps in self.edges:
            residuals = edges.residuals(both, t, hidden, maps, before=residuals)
        found = self.parts.unet(both, t, hidden, **residuals).sample
        plain, told = found.chunk(2)
        guided = plain + self.config.guidance * (told - plain)
        random = {"generator": self.random} if _draws(scheduler) else {}
        return scheduler.step(guided, t, z, **random).prev_sample

    def _hold(self, scheduler: Any, z: Tensor, rest: Tensor, order: int) -> Tensor:
        """Puts back what is not free yet, with the noise of the time just reached.

        rest: the timesteps to come.
        """
        time = float(rest[0]) / len(self.parts.alphas) if len(rest) else 0.0
        radius = int(self.config.widening * min(self.latent) * time)
        # With a scheduler of order 2 all steps but the first have two timesteps: hence rounded up.
        keep = held(self.free, -(-len(rest) // order), radius)
        if not keep.any():
            return z
        level = self._noised(scheduler, rest[0]) if len(rest) else self.z0
        return keep * level + (1 - keep) * z

    def _pasted(self, pixels: Tensor) -> Tensor:
        """With the collage's own pixels where they were never freed: an autoencoder loses some."""
        if not self.config.paste or self.config.start == "noise":
            return pixels
        size = (self.pixels.shape[2], self.pixels.shape[3])
        kept = resized((self.noise == 0).float(), size)
        return kept * self.pixels + (1 - kept) * pixels


def own_scheduler(parts: Parts, name: str) -> Any:
    """A scheduler nobody else steps: of the named class of diffusers, or of the model's own."""
    if not name:
        return copy.deepcopy(parts.scheduler)
    kind = getattr(diffusers, name, None)
    if kind is None or not hasattr(kind, "set_timesteps"):
        raise ValueError(f"diffusers has no scheduler {name!r}")
    return kind.from_config(parts.scheduler.config)


def check_canvas(size: Size, parts: Parts) -> None:
    """Raises ValueError for a canvas (H, W) [px] that the model cannot halve all the way."""
    unit = parts.fold * 2 ** (len(parts.unet.config.block_out_channels) - 1)
    if size[0] % unit or size[1] % unit:
        raise ValueError(f"canvas {size[1]} x {size[0]}: both sides must be multiples of {unit} px")


def drawn(shape: Sequence[int], random: Sequence[torch.Generator]) -> Tensor:
    """Normal noise (B, ...), each member's from its own generator."""
    return torch.cat([torch.randn((1, *shape[1:]), generator=one) for one in random])


def _draws(scheduler: Any) -> bool:
    return "generator" in inspect.signature(scheduler.step).parameters


def _length(config: SampleConfig, noise: Tensor) -> int:
    """How many of the schedule's last steps a collage takes: as its freest place."""
    if config.start == "noise":
        return config.steps
    return int(free_steps(noise, config.steps).max())


def _latent_size(collages: Sequence[Collage], parts: Parts) -> Size:
    """Height and width of the latents of collages that have one size, which the model can halve."""
    sizes = {c.size for c in collages}
    if len(sizes) != 1:
        raise ValueError(f"collages of one batch have one size, got {sorted(sizes)}")
    [(height, width)] = sizes
    check_canvas((height, width), parts)
    return height // parts.fold, width // parts.fold


def _padded(arrays: Sequence[Floats]) -> Floats:
    """Arrays that differ in their first length, stacked, zeros after the shorter ones."""
    most = max(len(a) for a in arrays)
    return np.stack([np.pad(a, [(0, most - len(a))] + [(0, 0)] * (a.ndim - 1)) for a in arrays])
