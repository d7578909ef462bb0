"""Steps of FlexGen: prompts, what a model writes after them block by block, what that took.

A job is cut into blocks, each published when it is done, so that a killed job goes on with the
next one. What a block holds depends on the job alone: prompts go by length into blocks of a fixed
size, and the policy a block runs under, which is the machine's affair, is no part of its recipe.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pyarrow as pa
from pydantic import BaseModel, Field

from data.datasets.prompts import read_prompts
from data.lake import TableRef
from data.lake.tables import flexgen as tables
from models.lm.interface import Sampling
from tasks.produces import produces
from tasks.progress import progress_bar
from tasks.provenance import root_run_id
from tasks.records import publish_record
from tasks.settings import home, models_dir

if TYPE_CHECKING:
    from models.flexgen.config import Policy
    from models.flexgen.head import Drawing
    from models.flexgen.offloading import Outcome, Place
    from models.flexgen.planner import Job, Plan
    from models.flexgen.weights import WeightFolder
    from models.lm.text import TextCodec

PACKAGES = "packages"  # prompts made from the descriptions of the installed packages
_LOGPROB_PLACES = 4  # beyond them the order of summation shows, and with it the policy


class PromptConfig(BaseModel, frozen=True, extra="forbid"):
    """Which prompts to complete."""

    file: str = Field(
        default=PACKAGES,
        description="text, JSON lines, CSV or Parquet; 'packages': the summaries of the installed "
        "Python packages",
    )
    column: str | None = Field(
        default=None, description="column of the file they are in; 'prompt' or 'text' by default"
    )
    limit: int | None = Field(default=6, description="most prompts taken; null: all", ge=1)


class Source(BaseModel, frozen=True, extra="forbid"):
    """A prompt file by what is in it; where it lies does not matter."""

    name: str
    digest: str = Field(description="SHA-256 of what is read")
    column: str | None
    limit: int | None
    path: str = Field(exclude=True)


class GenerationConfig(BaseModel, frozen=True, extra="forbid"):
    """What is written: everything that decides the text."""

    sampling: Sampling = Field(default=Sampling(max_tokens=8), description="how tokens are chosen")
    compute: Literal["float32", "bfloat16"] = Field(
        default="float32", description="type that is computed in; the paper's is fp16"
    )
    compress_weights: bool = Field(
        default=False, description="weights in 4 bits; the paper compresses both"
    )
    compress_cache: bool = Field(default=False, description="keys and values in 4 bits")
    group: int = Field(
        default=64,
        ge=2,
        multiple_of=2,
        description="4-bit values that share a step and a minimum; paper: 64",
    )
    truncate: Literal["error", "left", "right"] = Field(
        default="error", description="prompts longer than the context: an error, or cut"
    )
    requests: int = Field(
        default=256, description="prompts of a block that is published together", ge=1
    )


class Memory(BaseModel, frozen=True, extra="forbid"):
    """What the engine may use: left out of recipes, since the text does not depend on it."""

    bytes: int = Field(
        default=150 << 20,
        description="most memory of device and host together [bytes], the interpreter's own apart",
        ge=1,
        exclude=True,
    )
    disk: str = Field(
        default="",
        description="folder of the disk tier; empty: one in HEADWATER_HOME",
        exclude=True,
    )

    def place(self) -> Place:
        """Where jobs may run."""
        from models.flexgen.offloading import Place

        scratch = Path(self.disk).expanduser() if self.disk else home() / "flexgen" / "disk"
        return Place(self.bytes, scratch, home() / "flexgen")


def source_of(config: PromptConfig) -> Source:
    """The source of prompts. Raises ValueError when its file is not there."""
    from data.datasets.packages import packages_digest
    from data.datasets.prompts import file_digest

    path = Path(config.file).expanduser()
    packaged = config.file == PACKAGES
    return Source(
        name=PACKAGES if packaged else path.name,
        digest=packages_digest() if packaged else file_digest(path),
        column=config.column,
        limit=config.limit,
        path=str(path),
    )


@produces("prompts", version=1)
def prompts(source: Source) -> pa.Table:
    """The prompts of a file, or a sentence to go on with for every installed package."""
    found = (
        list(_package_prompts())
        if source.name == PACKAGES
        else [(p.number, p.text) for p in read_prompts(Path(source.path), source.column)]
    )[: source.limit]
    return pa.table(
        {
            "source": [source.name] * len(found),
            "prompt_id": [number for number, _ in found],
            "prompt": [text for _, text in found],
        }
    )


def _package_prompts() -> Iterable[tuple[int, str]]:
    from data.datasets.packages import package_truth, read_packages

    for number, document in enumerate(read_packages()[0], start=1):
        summary = package_truth(document.text)["Summary"]
        if summary:
            yield number, f"The Python package {document.doc_id} ({summary}) is used to"


@produces("generations", version=1)
def generations(
    prompts: TableRef, model: TableRef, config: GenerationConfig, block: int, memory: Memory
) -> pa.Table:
    """What a language model wrote after the prompts of one block of a job."""
    from models.flexgen.offloading import planned, run

    rows = block_of(prompts.read().to_pylist(), config.requests, block)
    opened = Opened(*weights_of(model), config)
    ids = [opened.encode(row) for row in rows]
    place, name = memory.place(), job_name(prompts, model, config)
    job = opened.job(ids)
    chosen = planned(opened.weights, job, opened.asked, place, progress_bar("calibrating"))
    outcome = run(
        opened.weights, ids, chosen, job.tokens, place,
        ends=opened.codec.ends, drawing=opened.drawing(), ended=opened.stopped,
        progress=progress_bar(f"generating block {block + 1} of {blocks(prompts, config)}"),
    )  # fmt: skip
    publish_record(
        tables.OffloadRuns,
        run_rows(name, block, opened.name, outcome, len(rows)),
        root_run_id(),
        f"{name} {block}",
    )
    made = outcome.generated
    completions = zip(rows, ids, made.tokens, made.logprobs, strict=True)
    common = {"job": name, "block": block, "model": opened.name}
    common |= {"seconds": made.seconds / len(rows)}
    return pa.Table.from_pylist(
        [common | opened.row(*completion) for completion in completions],
        schema=tables.Generations.arrow_schema(),
    )


def blocks(prompts: TableRef, config: GenerationConfig) -> int:
    """Blocks of a job; of prompts that are yet to be read, one."""
    return max(1, -(-prompts.rows // config.requests))


def block_of(
    rows: Sequence[Mapping[str, Any]], requests: int, block: int
) -> list[Mapping[str, Any]]:
    """Prompts of like lengths, so that little of what a block computes is padding."""
    ordered = sorted(rows, key=lambda row: (len(row["prompt"]), row["prompt_id"]))
    return ordered[block * requests : (block + 1) * requests]


def job_name(prompts: TableRef, model: TableRef, config: GenerationConfig) -> str:
    """Hash of what is asked, not of the files it is kept in: the job's name in the tables."""
    weights = model.read(["weights_sha256"]).to_pylist()
    asked = [prompts.read().to_pylist(), weights, config.model_dump()]
    return hashlib.sha256(json.dumps(asked, sort_keys=True, default=str).encode()).hexdigest()[:16]


class Opened:
    """A model's weights and tokenizer, under what a job asks of it."""

    def __init__(self, name: str, folder: Path, config: GenerationConfig) -> None:
        from models.flexgen.config import Policy
        from models.flexgen.weights import WeightFolder
        from models.lm.text import TextCodec

        self.name, self.config = name, config
        self.weights: WeightFolder = WeightFolder(folder)
        self.codec: TextCodec = TextCodec(folder)
        self.asked: Policy = Policy(
            compute=config.compute,
            compress_weights=config.compress_weights,
            compress_cache=config.compress_cache,
            group=config.group,
        )

    def encode(self, row: Mapping[str, Any]) -> list[int]:
        """Tokens of a prompt. Raises ValueError for one longer than the context."""
        from models.lm.text import fit

        context, new = self.weights.shape.context, self.config.sampling.max_tokens
        where = f"{row['source']}, prompt {row['prompt_id']}, with {new} new tokens"
        return fit(self.codec.encode(row["prompt"]), context - new, self.config.truncate, where)

    def job(self, ids: Sequence[Sequence[int]]) -> Job:
        """What the planner needs to know of prompts."""
        from models.flexgen.planner import Job

        return Job(tuple(len(row) for row in ids), self.config.sampling.max_tokens)

    def drawing(self) -> Drawing | None:
        """How tokens are drawn; None takes the likeliest."""
        from functools import partial

        from models.lm.drawing import Drawing

        sampling = self.config.sampling
        return partial(Drawing, sampling) if sampling.temperature else None

    def stopped(self, tokens: list[int]) -> bool:
        """Whether new tokens hold a stop string."""
        from models.lm.text import cut_at_stop

        stop = self.config.sampling.stop
        return bool(stop) and cut_at_stop(self.codec.decode(tokens), stop)[1]

    def row(
        self,
        row: Mapping[str, Any],
        ids: Sequence[int],
        tokens: list[int],
        logprobs: Sequence[float],
    ) -> dict[str, Any]:
        """The row of one request."""
        from models.lm.text import cut_at_stop

        text, stopped = cut_at_stop(self.codec.decode(tokens), self.config.sampling.stop)
        ended = stopped or tokens[-1] in self.codec.ends
        return {
            "source": row["source"],
            "prompt_id": row["prompt_id"],
            "prompt": row["prompt"],
            "completion": text,
            "tokens": tokens,
            "prompt_tokens": len(ids),
            "completion_tokens": len(tokens),
            "logprob": min(0.0, round(sum(logprobs), _LOGPROB_PLACES)),
            "finish": "stop" if ended else "length",
        }


def plans(
    rows: Sequence[Mapping[str, Any]], opened: Opened, memory: Memory
) -> Iterator[tuple[Job, Plan]]:
    """Every block of a job and its plan; nothing is generated.

    Raises ValueError for a prompt longer than the context and for memory that holds no plan.
    """
    from models.flexgen.offloading import planned

    requests = opened.config.requests
    for block in range(-(-len(rows) // requests)):
        ids = [opened.encode(row) for row in block_of(rows, requests, block)]
        job = opened.job(ids)
        yield (
            job,
            planned(opened.weights, job, opened.asked, memory.place(), progress_bar("calibrating")),
        )


def weights_of(model: TableRef) -> tuple[str, Path]:
    """Name and folder of a listed model."""
    from models.lm.store import ModelStore

    [row] = model.read(["name", "weights_sha256"]).to_pylist()
    store = ModelStore(models_dir())
    card = store.by_weights(row["weights_sha256"])
    if card is None:
        raise ValueError(
            f"the weights of {row['name']} are not in {store.root}; "
            f"headwater models pull {row['name']}"
        )
    return row["name"], store.open(card.name)[1]


def run_rows(
    job: str, block: int, model: str, outcome: Outcome, requests: int
) -> list[dict[str, Any]]:
    """Rows of `offload_runs`: one a tier."""
    from models.flexgen.config import TIERS
    from models.flexgen.dry_run import policy_text

    made, chosen = outcome.generated, outcome.plan
    caps = (outcome.budgets.device_bytes, outcome.budgets.host_bytes, outcome.budgets.disk_bytes)
    asked = {placed.tier: placed for placed in outcome.weights}
    rows = []
    for tier, cap in zip(TIERS, caps, strict=True):
        read = {r.what: 0 for r in made.traffic} | {"weights": 0, "cache": 0}
        for route, size in made.traffic.items():
            read[route.what] += size * (route.source == tier)
        rows.append(
            {
                "job": job,
                "block": block,
                "model": model,
                "policy": policy_text(chosen.policy),
                "tier": tier,
                "cap_bytes": made.peak[tier] if cap is None else cap,
                "cost_model": chosen.cost_model,
                "predicted_tokens_per_s": chosen.tokens_per_s,
                "tokens_per_s": made.tokens_per_s,
                "prefill_seconds": made.prefill_seconds,
                "decode_seconds": made.decode_seconds,
                "requests": requests,
                "new_tokens": made.new_tokens,
                "bytes_read": sum(read.values()),
                "bytes_written": sum(s for r, s in made.traffic.items() if r.target == tier),
                "weights_read": read["weights"],
                "cache_read": read["cache"],
                "peak_bytes": made.peak[tier],
                "predicted_peak_bytes": round(chosen.memory[tier]),
                "weights_asked": asked[tier].asked,
                "weights_achieved": asked[tier].achieved,
                "shadow_price": _shadow_price(chosen, tier),
                "padding_efficiency": made.padding_efficiency,
                "backoffs": outcome.backoffs,
            }
        )
    return rows


def _shadow_price(chosen: Plan, tier: str) -> float:
    """Device and host are one memory where there is no other."""
    prices = chosen.shadow_prices
    return prices.get(tier, prices.get("memory", 0.0) if tier != "disk" else 0.0)
