"""What a calibration belongs to: machine, software, shape of the model, number formats."""

from __future__ import annotations

import platform
from pathlib import Path

import torch

from models.flexgen.config import Policy
from models.flexgen.weights import WeightFolder


def identity(weights: WeightFolder, policy: Policy) -> dict[str, str]:
    """What a calibration belongs to."""
    shape = weights.shape
    return {
        "host": platform.node(),
        "processor": _processor(),
        "threads": str(torch.get_num_threads()),
        "torch": torch.__version__,
        "shape": f"{shape.architecture} {shape.width} {shape.ffn} {shape.heads} {shape.kv_heads}",
        "types": f"{shape.weight_type} {policy.compute}",
        "compression": f"weights {policy.compress_weights} cache {policy.compress_cache} "
        f"group {policy.group}",
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
        names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
        return names[0] if names else platform.processor()
    except OSError:
        return platform.processor()
