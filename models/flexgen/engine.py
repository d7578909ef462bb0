"""The engine: opens a model's weights under a policy and generates in zig-zag blocks (sec. 4.1)."""

from __future__ import annotations

from collections.abc import Sequence

from models.flexgen.config import Budgets, Policy
from models.flexgen.counters import Generated
from models.flexgen.weights import WeightFolder
from models.lm.interface import Sampling
from models.progress import Progress, silent


class Engine:
    """A model under a policy. Use as a context manager: it holds threads, buffers and files.

    Raises ValueError before anything is allocated when a budget cannot hold what the policy puts
    there, saying the least that would do.
    """

    def __init__(self, weights: WeightFolder, policy: Policy, budgets: Budgets) -> None: ...

    def generate(
        self,
        prompts: Sequence[Sequence[int]],
        n: int,
        eos: frozenset[int] = frozenset(),
        sampling: Sampling | None = None,
        progress: Progress = silent,
    ) -> Generated:
        """At most `n` new tokens after every prompt, greedily unless `sampling` says otherwise."""
        raise NotImplementedError
