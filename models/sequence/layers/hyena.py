"""The Hyena operator: long convolutions between gates.

Poli, Massaroli, Nguyen, Fu, Dao, Baccus, Bengio, Ermon, Re, ICML 2023, definition 3.1: projections
x^1 .. x^N and v, each after a short convolution,

    z^1 = v,   z^{n+1}_t = x^n_t (h^n * z^n)_t,   y = W z^{N+1}.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from models.sequence.config import HyenaConfig
from models.sequence.layers.filters import ExplicitFilter, ImplicitFilter
from models.sequence.layers.mixer import Mixer, Rate, Step, from_channels, to_channels
from models.sequence.ops.fft import Spectrum, fft_conv, spectrum
from models.sequence.ops.online import OnlineConv
from models.sequence.ops.short import short_conv
from models.sequence.ops.streams import FirStream, Stream
from models.sequence.ops.toeplitz import toeplitz_conv

_FEW = 16  # taps up to which shifted additions are fastest
_SOME = 256  # taps up to which products of Toeplitz blocks are


class Hyena(Mixer):
    """Order N as the code counts: N gates, N - 1 filters; y = x^0 (h * (x^1 v)) for N = 2.

    taps: length of explicit filters (hyena_se, hyena_mr, conv1d); None for implicit ones, as long
    as the longest input. O(N D L (log L + D)).
    """

    def __init__(self, width: int, longest: int, config: HyenaConfig, taps: int | None) -> None:
        super().__init__()
        self.order, self.longest = config.order, longest
        self.project = nn.Linear(width, (self.order + 1) * width)
        bound = config.short**-0.5
        shape = ((self.order + 1) * width, config.short)
        self.short = nn.Parameter(torch.empty(shape).uniform_(-bound, bound))
        channels = (self.order - 1) * width
        self.filter: ImplicitFilter | ExplicitFilter = (
            ImplicitFilter(channels, longest, config)
            if taps is None
            else ExplicitFilter(channels, taps)
        )
        self.skip = nn.Parameter(torch.randn(channels))
        self.out = nn.Linear(width, width)
        self.rates = {"skip": Rate(1.0), "short": Rate(1.0)}
        self._spectra: tuple[object, list[Spectrum]] | None = None

    def forward(self, u: Tensor) -> Tensor:
        gates, z = self._gated(self._projected(u))
        for gate, z_filter in zip(gates[:0:-1], self._filters(u.shape[1]), strict=True):
            z = self._convolved(z * gate, z_filter)
        return from_channels(self.out, z * gates[0])

    def begin(self, u: Tensor, steps: int) -> tuple[Tensor, Step]:
        """Goes on by blocked online convolution: O(L log^2 L) for all steps, exact."""
        raw = self._projected(u)
        projections = FirStream(self.short, raw, steps)
        gates, z = self._gated(raw)
        streams: list[Stream] = []
        length = u.shape[1] + steps
        h = self.filter(length)
        h = h + nn.functional.pad(self.skip.unsqueeze(-1), (0, h.shape[-1] - 1))
        for gate, taps in zip(gates[:0:-1], h.chunk(self.order - 1), strict=True):
            z = z * gate
            streams.append(
                OnlineConv(taps, len(u), steps, z)
                if taps.shape[-1] > _SOME
                else FirStream(taps, z, steps)
            )
            z = fft_conv(z, taps)

        def step(u: Tensor) -> Tensor:
            *gates, z = projections.step(self.project(u)).chunk(self.order + 1, 1)
            for gate, stream in zip(gates[:0:-1], streams, strict=True):
                z = stream.step(z * gate)
            return self.out(z * gates[0])

        return from_channels(self.out, z * gates[0]), step

    def _projected(self, u: Tensor) -> Tensor:
        """(B, L, D) -> (B, (N + 1) D, L)."""
        if u.shape[1] > self.longest:
            raise ValueError(f"hyena: {u.shape[1]} steps, but its filters reach {self.longest}")
        return to_channels(self.project, u)

    def _gated(self, x: Tensor) -> tuple[list[Tensor], Tensor]:
        """Gates x^0 .. x^{N-1} and values v, each (B, D, L), of projections after a short conv."""
        *gates, v = short_conv(x, self.short).chunk(self.order + 1, 1)
        return gates, v

    def _filters(self, length: int) -> list[tuple[Tensor, Tensor] | Spectrum]:
        """Taps and skips of each filter; in inference long ones as spectra, made once."""
        cached = not self.training and not torch.is_grad_enabled()
        # Every change of a parameter in place, loading included, raises its version.
        weights = (self.skip, *self.filter.parameters())
        key = (length, self.skip.device, *((p.dtype, p._version) for p in weights))
        if cached and self._spectra is not None and self._spectra[0] == key:
            return list(self._spectra[1])
        pairs = zip(
            self.filter(length).chunk(self.order - 1), self.skip.chunk(self.order - 1), strict=True
        )
        found = list(pairs)
        if cached and found[0][0].shape[-1] > _SOME:
            spectra = [spectrum(h, length, skip) for h, skip in found]
            self._spectra = (key, spectra)
            return list(spectra)
        return list(found)

    def _convolved(self, z: Tensor, with_: tuple[Tensor, Tensor] | Spectrum) -> Tensor:
        if isinstance(with_, Spectrum):
            return fft_conv(z, with_)
        h, skip = with_
        if h.shape[-1] <= _FEW:
            return torch.addcmul(short_conv(z, h), z, skip.unsqueeze(-1))
        if h.shape[-1] <= _SOME < z.shape[-1]:
            y = toeplitz_conv(z, h, max(h.shape[-1], 64))
            return torch.addcmul(y, z, skip.unsqueeze(-1))
        return fft_conv(z, h, skip)
