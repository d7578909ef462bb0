"""What convolutions cost beside attention, beside the bare transform and beside one another.

Both sides run in turn on the same inputs; every case is a ConvMeasurement: one of conv_benchmarks.
The baselines are fair ones: real transforms with a cached spectrum, attention without its scores
in memory, a Transformer with its keys and values cached.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention as attention

from models.measuring import Measurement, in_turn
from models.progress import Progress, silent
from models.sequence.backbone import Backbone
from models.sequence.config import BackboneConfig, ConvBenchmark, Kind, SsmConfig
from models.sequence.layers.attention import Attention
from models.sequence.layers.hyena import Hyena
from models.sequence.layers.ssm import DiagonalSSM
from models.sequence.memory import peak_bytes
from models.sequence.ops.fft import Spectrum, fft_conv, spectrum
from models.sequence.ops.online import OnlineConv
from models.sequence.ops.state_passing import ssm_kernel, ssm_kernel_reference, state_passing
from models.training import torch_threads

_HEAD = 64  # width of an attention head, as the models compared have it
_Contestants = Mapping[str, Callable[[], object]]


@dataclass(frozen=True, kw_only=True)
class ConvMeasurement(Measurement):
    """A comparison with its sizes as numbers."""

    length: int  # L [steps]
    width: int  # D
    batch: int = 1


def benchmark(config: ConvBenchmark, progress: Progress = silent) -> Iterator[ConvMeasurement]:
    """Every comparison that `config.cases` names, in that order."""
    cases: dict[str, Callable[[ConvBenchmark], Iterator[ConvMeasurement]]] = {
        "overhead": _overhead,
        "core": _core,
        "layer": _layers,
        "state_passing": _state_passing,
        "memory": _memory,
        "generation": _generation,
        "online": _online,
    }
    with torch_threads(config.threads), torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        for done, case in enumerate(config.cases):
            progress(done, len(config.cases))
            yield from cases[case](config)
        progress(len(config.cases), len(config.cases))


def bare_conv(u: Tensor, k_f: Tensor, size: int) -> Tensor:
    """rfft, multiply, irfft and nothing else: what the transform itself costs."""
    return torch.fft.irfft(torch.fft.rfft(u, n=size) * k_f, n=size)[..., : u.shape[-1]]


def plain_conv(u: Tensor, k: Tensor) -> Tensor:
    """The same left to autograd, which keeps the spectra."""
    size = 2 * u.shape[-1]
    return bare_conv(u, torch.fft.rfft(k, n=size), size)


def _overhead(config: ConvBenchmark) -> Iterator[ConvMeasurement]:
    """Our operator against the bare transform, at every length."""
    for length in config.lengths:
        u, made = _operands(config, length)
        yield from _compared(
            config,
            "long convolution, cached spectrum",
            {
                "fft_conv": partial(fft_conv, u, made),
                "rfft-multiply-irfft": partial(bare_conv, u, made.k_f, made.size),
            },
            (length, config.width),
        )


def _core(config: ConvBenchmark) -> Iterator[ConvMeasurement]:
    """The operator alone against causal attention alone."""
    for length in config.core_lengths:
        u, made = _operands(config, length)
        q = torch.randn(1, max(config.width // _HEAD, 1), length, _HEAD, device=config.device)
        yield from _compared(
            config,
            "core operator",
            {
                "fft_conv": partial(fft_conv, u, made),
                "attention": partial(attention, q, q, q, is_causal=True),
            },
            (length, config.width),
        )


def _layers(config: ConvBenchmark) -> Iterator[ConvMeasurement]:
    """Whole layers with their projections, in inference and in a training step."""
    for length in config.layer_lengths:
        width = config.layer_width
        hyena = BackboneConfig().hyena
        layers = {
            "hyena": Hyena(width, length, hyena, None).to(config.device),
            "attention": Attention(width, max(width // _HEAD, 1)).to(config.device),
        }
        u = torch.randn(1, length, width, device=config.device)
        for case, run in (("layer, inference", _inference), ("layer, training step", _step)):
            contestants = {name: run(layer, u) for name, layer in layers.items()}
            yield from _compared(config, case, contestants, (length, width))


def _state_passing(config: ConvBenchmark) -> Iterator[ConvMeasurement]:
    """A diagonal state space in chunks against one FFT of full length with its kernel."""
    length, width = config.ssm_length, config.width
    with torch.no_grad():
        a, w = DiagonalSSM(width, SsmConfig()).to(config.device).poles()
    u = torch.randn(1, width, length, device=config.device)
    ours = {"state passing": lambda: state_passing(u, a, w)}
    peers = {
        "one FFT, Vandermonde kernel": lambda: fft_conv(u, ssm_kernel_reference(a, w, length)),
        "one FFT, kernel by products": lambda: fft_conv(u, ssm_kernel(a, w, length)),
    }
    for name, peer in peers.items():
        yield from _compared(config, "state space", {**ours, name: peer}, (length, width))


def _memory(config: ConvBenchmark) -> Iterator[ConvMeasurement]:
    """Most memory of forward and backward beyond the operands [bytes]."""
    length, width = config.memory_length, config.width
    found = {}
    for name, conv in (("fft_conv", fft_conv), ("plain autograd", plain_conv)):
        u = torch.randn(1, width, length, device=config.device, requires_grad=True)
        k = torch.randn(width, length, device=config.device, requires_grad=True)

        def step(u: Tensor = u, k: Tensor = k, conv: Callable[..., Tensor] = conv) -> None:
            # Gates make the output needed by the graph, as in every layer.
            (u * conv(u * u, k)).sum().backward()

        found[name] = peak_bytes(step, config.device)
    (ours, ours_value), (peer, peer_value) = found.items()
    yield _measured(
        config, "peak memory of a training step", (ours, ours_value), (peer, peer_value),
        (length, width), unit="bytes",
    )  # fmt: skip


def _generation(config: ConvBenchmark) -> Iterator[ConvMeasurement]:
    """A prompt and more and more tokens after it: hybrid H3 against a Transformer with a cache."""
    layers, width = config.generation_layers, config.layer_width
    hybrid: list[Kind] = ["h3"] * layers
    hybrid[layers // 2] = "attention"
    patterns: dict[str, list[Kind]] = {"hybrid H3": hybrid, "Transformer": ["attention"] * layers}
    models = {
        name: Backbone(
            BackboneConfig(
                pattern=tuple(pattern), width=width, mlp=4 * width, heads=max(width // _HEAD, 1),
                longest=config.prompt + max(config.tokens), positions=name == "Transformer",
                vocabulary=256, outputs=256, tied=True,
            )
        ).to(config.device).eval()
        for name, pattern in patterns.items()
    }  # fmt: skip
    prompt = torch.randint(256, (config.generation_batch, config.prompt), device=config.device)
    times: dict[str, list[list[float]]] = {name: [] for name in models}
    for run in range(config.runs + 1):  # the first warms up
        for name, model in models.items():
            marks = _generated(model, prompt, config.tokens)
            if run:
                times[name].append(marks)
    (ours, ours_s), (peer, peer_s) = (
        (name, [statistics.median(at) for at in zip(*marks, strict=True)])
        for name, marks in times.items()
    )
    size, batch = (config.prompt, width), config.generation_batch
    for i, tokens in enumerate(sorted(set(config.tokens)), 1):
        whole = ((ours, ours_s[i]), (peer, peer_s[i]))
        after = ((ours, ours_s[i] - ours_s[0]), (peer, peer_s[i] - peer_s[0]))
        yield _measured(config, f"prompt and {tokens} tokens", *whole, size, batch=batch)
        yield _measured(config, f"{tokens} tokens after the prompt", *after, size, batch=batch)


def _generated(model: Backbone, prompt: Tensor, tokens: Sequence[int]) -> list[float]:
    """Seconds until the prompt is read, and until each of so many tokens are made."""
    device = prompt.device.type
    _wait(device)
    started = time.perf_counter()
    logits, step = model.begin(prompt, max(tokens))
    _wait(device)
    marks = [time.perf_counter() - started]
    for made in range(1, max(tokens) + 1):
        logits = step(logits.argmax(-1))
        if made in tokens:
            _wait(device)
            marks.append(time.perf_counter() - started)
    return marks


def _online(config: ConvBenchmark) -> Iterator[ConvMeasurement]:
    """All steps of an online convolution against 8 times as many: the ratio is the growth."""
    short, width = config.online_length, config.width

    def run(length: int) -> Callable[[], object]:
        k, u = torch.randn(width, length), torch.randn(length, 1, width)

        def steps() -> None:
            stream = OnlineConv(k, 1, length)
            for t in range(length):
                stream.step(u[t])

        return steps

    contestants = {"online": run(short), f"online, L={8 * short}": run(8 * short)}
    with torch.no_grad():
        yield from _compared(config, "8 times the steps", contestants, (short, width))


def _operands(config: ConvBenchmark, length: int) -> tuple[Tensor, Spectrum]:
    u = torch.randn(1, config.width, length, device=config.device)
    return u, spectrum(torch.randn(config.width, length, device=config.device), length)


def _compared(
    config: ConvBenchmark, case: str, contestants: _Contestants, size: tuple[int, int],
    batch: int = 1,
) -> Iterator[ConvMeasurement]:  # fmt: skip
    """The first contestant against the second, short cases repeated until a clock can tell."""
    with torch.set_grad_enabled("training" in case):
        repeats = {name: _repeats(run, config.device) for name, run in contestants.items()}
        most = max(repeats.values())
        told = in_turn(
            {n: _repeated(run, most, config.device) for n, run in contestants.items()},
            config.runs,
            warmups=0,  # counting them has warmed them up
        )
    (ours, ours_s), (peer, peer_s) = ((name, s / most) for name, s in told.items())
    yield _measured(config, case, (ours, ours_s), (peer, peer_s), size, batch=batch)


def _measured(
    config: ConvBenchmark, case: str, ours: tuple[str, float], peer: tuple[str, float],
    size: tuple[int, int], *, batch: int = 1, unit: str = "s",
) -> ConvMeasurement:  # fmt: skip
    length, width = size
    return ConvMeasurement(
        case=case, size=f"L={length} D={width} B={batch}", ours=ours[0], ours_value=ours[1],
        peer=peer[0], peer_value=peer[1], unit=unit, runs=config.runs, threads=config.threads,
        device=config.device, versions={"torch": torch.__version__}, length=length, width=width,
        batch=batch,
    )  # fmt: skip


def _repeats(run: Callable[[], object], device: str) -> int:
    """How often a case is run for about 20 ms."""
    run()
    started = time.perf_counter()
    run()
    _wait(device)
    return max(int(0.02 / max(time.perf_counter() - started, 1e-6)), 1)


def _repeated(run: Callable[[], object], times: int, device: str) -> Callable[[], object]:
    def all_runs() -> None:
        for _ in range(times):
            run()
        _wait(device)

    return all_runs


def _inference(layer: nn.Module, u: Tensor) -> Callable[[], object]:
    def predict() -> None:
        layer.eval()
        with torch.no_grad():
            layer(u)

    return predict


def _step(layer: nn.Module, u: Tensor) -> Callable[[], object]:
    def train() -> None:
        layer.train()
        layer(u).square().mean().backward()

    return train


def _wait(device: str) -> None:
    if device == "cuda":
        torch.cuda.synchronize()
