"""What the head costs beside a fitted regression, and what sharing prefixes saves.

models.measuring.Measurement for every case: one call of the small head against scikit-learn's
regression; leave-one-out representations against reading every prompt from its beginning
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import version

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression

from models.lm.transformers import TransformersModel
from models.measuring import Measurement, in_turn
from models.progress import Progress, silent
from models.tart.config import BenchmarkConfig
from models.tart.embedding import leave_one_out, leave_one_out_reference
from models.tart.module import ReasoningHead
from models.tart.predict import by_head
from models.tart.prompts import Template
from models.training import torch_threads

_CLASSES = ("ham", "spam")
# As long as the paper's texts, and different from one another.
_TEXT = "Message {}: we have got news for you, please call us back or come by at six to collect it"


def benchmark(
    config: BenchmarkConfig,
    head: ReasoningHead,
    model: TransformersModel,
    progress: Progress = silent,
) -> Iterator[Measurement]:
    """Medians of runs taken in turn; the leave-one-out vectors are compared once, to 1e-4.

    Raises ValueError when they differ by more.
    """
    with torch_threads(config.threads):
        yield _module_call(config, head)
        progress(1, 2)
        with torch.inference_mode():
            yield _leave_one_out(config, model)
        progress(2, 2)


def _module_call(config: BenchmarkConfig, head: ReasoningHead) -> Measurement:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((config.shots, head.config.width_in))
    queries = rng.standard_normal((config.queries, head.config.width_in))
    y = np.arange(config.shots) % 2

    def regression() -> object:
        fitted = LogisticRegression(C=np.inf, fit_intercept=False, max_iter=1000).fit(x, y)
        return fitted.predict_proba(queries)

    seconds = in_turn(
        {"TART head": lambda: by_head(head, x, y, queries, 2), "scikit-learn": regression},
        config.runs,
    )
    return Measurement(
        case="one call of the head",
        size=f"k={config.shots} queries={config.queries} width={head.config.width}",
        ours="TART head",
        ours_value=1e3 * seconds["TART head"],
        peer="scikit-learn",
        peer_value=1e3 * seconds["scikit-learn"],
        unit="ms",
        runs=config.runs,
        threads=config.threads,
        versions={"torch": version("torch"), "scikit-learn": version("scikit-learn")},
    )


def _leave_one_out(config: BenchmarkConfig, model: TransformersModel) -> Measurement:
    template = Template(model.codec, _CLASSES, 100)
    examples = [template.example(_TEXT.format(i), _CLASSES[i % 2]) for i in range(config.examples)]
    found: dict[str, list[torch.Tensor]] = {}

    def shared() -> None:
        found["ours"] = leave_one_out(model, examples)

    def every() -> None:
        found["theirs"] = leave_one_out_reference(model, examples)

    # The only warm-up: one of all prompts takes a minute, and each of them warms the next.
    leave_one_out(model, examples)
    sides = {"shared prefixes": shared, "every prompt anew": every}
    seconds = in_turn(sides, config.loo_runs, warmups=0)
    apart = max(
        (one - other).abs().max().item()
        for one, other in zip(found["ours"], found["theirs"], strict=True)
    )
    if apart > 1e-4:
        raise ValueError(f"shared prefixes give other vectors, {apart:.1e} apart")
    tokens = sum(len(example.tokens) for example in examples)
    return Measurement(
        case="leave-one-out representations",
        size=f"k={config.examples} prompt={tokens} tokens {model.name}",
        ours="shared prefixes",
        ours_value=seconds["shared prefixes"],
        peer="every prompt anew",
        peer_value=seconds["every prompt anew"],
        unit="s",
        runs=config.loo_runs,
        threads=config.threads,
        versions={"torch": version("torch"), "transformers": version("transformers")},
    )
