"""Nothing is asked of a language model twice: table `lm_requests`, read before, written after.

Answers are published in shards, one a flush: when enough time has passed since the last, and at
the end. What was flushed survives whatever happens to the process. Shards that have become many
are merged into one; the merged ones go out of sight and stay on disk, so that no reader loses them.
"""

from __future__ import annotations

import hashlib
import json
import logging
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import pyarrow as pa

from data.lake import Commit, DamagedError, Lake
from data.lake.catalog import Catalog, matching
from data.lake.tables.lm import LmRequests
from models.lm.interface import Completion, LanguageModel, Pooling, Sampling, Score
from models.lm.requests import (
    Request,
    completion_of,
    generation,
    score_of,
    scoring,
    to_text,
)
from models.progress import Progress, silent
from tasks.provenance import code_version, root_run_id

if TYPE_CHECKING:
    import numpy as np

log = logging.getLogger(__name__)

Answer = Completion | Score

_FIRST_PORTION = 32  # requests
_SMALL_ROWS = 4096  # a shard below it is merged
_MOST_SMALL = 32  # so many small shards are not


@dataclass
class Usage:
    """What a model was asked through one Cached, and how much of it was known."""

    requests: int = 0
    hits: int = 0
    prompt_tokens: int = 0  # of what was really asked
    completion_tokens: int = 0


class Cached:
    """A language model that remembers: requests answered before, by whatever run, cost nothing.

    Completions and scores are kept; states and embeddings pass through, as the tables they end
    in are larger than the work they save. A drawn completion is kept as well: its seed is part of
    the request.
    """

    def __init__(
        self,
        model: LanguageModel,
        listed: Mapping[str, Any],
        lake: Lake,
        flush_seconds: float = 30.0,
    ) -> None:
        """listed: the model's row of `language_models`; flush_seconds: most a kill can cost [s]."""
        self.name, self.context = model.name, model.context
        self.usage = Usage()
        self._model, self._lake = model, lake
        self._identity = _identity(listed)
        self._weights = str(listed["weights_sha256"])
        self._known: dict[str, str] = {}  # of this process: key -> answer
        self._unflushed: list[dict[str, Any]] = []
        self._flush_seconds = flush_seconds
        self._flushed_at = time.monotonic()
        self._system, self._step = _asker()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.flush()
        merge_small(self._lake)

    def generate(
        self, prompts: Sequence[str], sampling: Sampling, progress: Progress = silent
    ) -> list[Completion]:
        requests = [generation(prompt, sampling) for prompt in prompts]

        def ask(places: Sequence[int], told: Progress) -> Sequence[Answer]:
            return self._model.generate([prompts[i] for i in places], sampling, told)

        return [completion_of(text) for text in self._answers(requests, ask, progress)]

    def score(self, pairs: Sequence[tuple[str, str]], progress: Progress = silent) -> list[Score]:
        requests = [scoring(*pair) for pair in pairs]

        def ask(places: Sequence[int], told: Progress) -> Sequence[Answer]:
            return self._model.score([pairs[i] for i in places], told)

        return [score_of(text) for text in self._answers(requests, ask, progress)]

    def hidden_states(
        self, texts: Sequence[str], layer: int = -1, progress: Progress = silent
    ) -> list[np.ndarray]:
        return self._model.hidden_states(texts, layer, progress)

    def embed(
        self,
        texts: Sequence[str],
        layer: int = -1,
        pooling: Pooling = "mean",
        progress: Progress = silent,
    ) -> np.ndarray:
        return self._model.embed(texts, layer, pooling, progress)

    def chat_prompt(self, user: str, system: str = "") -> str:
        return self._model.chat_prompt(user, system)

    def flush(self) -> None:
        """Publishes what was answered since the last flush."""
        rows, self._unflushed = self._unflushed, []
        self._flushed_at = time.monotonic()
        if rows:
            _publish(self._lake, pa.Table.from_pylist(rows, schema=_schema_without_shard()))

    def _answers(
        self,
        requests: Sequence[Request],
        ask: Callable[[Sequence[int], Progress], Sequence[Answer]],
        progress: Progress,
    ) -> list[str]:
        """Answers as text in the order of the requests, each different one asked at most once."""
        keys = [request.key(self._identity) for request in requests]
        self._known |= answered(self._lake, [key for key in keys if key not in self._known])
        first = {key: i for i, key in reversed(list(enumerate(keys)))}
        # Similar lengths together, as a back end's own batches are no longer than a portion.
        open_ = sorted(
            (i for key, i in first.items() if key not in self._known),
            key=lambda i: -len(requests[i].prompt + requests[i].parameters),
        )
        self.usage.requests += len(keys)
        self.usage.hits += len(keys) - len(open_)
        done, portion = len(keys) - len(open_), _FIRST_PORTION
        progress(done, len(keys))
        while open_:
            places, open_ = open_[:portion], open_[portion:]
            before, began = done, time.monotonic()
            answers = ask(places, lambda n, _: progress(before + n, len(keys)))  # noqa: B023
            seconds = time.monotonic() - began
            for i, answer in zip(places, answers, strict=True):
                self._remember(keys[i], requests[i], answer, seconds / len(places))
            done += len(places)
            if seconds < self._flush_seconds / 4:
                portion *= 2
            if time.monotonic() - self._flushed_at >= self._flush_seconds:
                self.flush()
        return [self._known[key] for key in keys]

    def _remember(self, key: str, request: Request, answer: Answer, seconds: float) -> None:
        written = (
            answer.completion_tokens if isinstance(answer, Completion) else len(answer.logprobs)
        )
        self.usage.prompt_tokens += answer.prompt_tokens
        self.usage.completion_tokens += written
        self._known[key] = to_text(answer)
        self._unflushed.append(
            {
                "key": key,
                "model": self.name,
                "weights_sha256": self._weights,
                **vars(request),
                "answer": self._known[key],
                "prompt_tokens": answer.prompt_tokens,
                "completion_tokens": written,
                "seconds": seconds,
                "system": self._system,
                "step": self._step,
                "run_id": root_run_id(),
                "asked_at": datetime.now(UTC),
            }
        )


def answered(lake: Lake, keys: Sequence[str]) -> dict[str, str]:
    """Answers by key of all requests among `keys` that the lake knows: one query, all shards."""
    commits = lake.commits(LmRequests.table)
    if not keys or not commits:
        return {}
    try:
        rows = matching(lake, commits, pa.table({"key": sorted(set(keys))}))
    except DamagedError as error:
        log.warning("%s; what it held is asked again", error)
        for commit in commits:
            if lake.damage(commit) is not None:
                lake.withdraw(commit)
        return answered(lake, keys)
    return dict(zip(rows["key"].to_pylist(), rows["answer"].to_pylist(), strict=True))


def merge_small(lake: Lake) -> None:
    """Merges the small shards into one once there are many, so that looking up stays quick.

    A kill between the two steps leaves rows in two shards: readers count each (key, asked_at) once.
    """
    if len(_small(lake)) < _MOST_SMALL:
        return
    with lake.lock(LmRequests.table, waiting=lambda: None):
        small = _small(lake)
        if len(small) < _MOST_SMALL:
            return  # another process has just done it
        rows = pa.concat_tables([lake.read(lake.reference(commit)) for commit in small])
        once = rows.group_by(["key", "asked_at"], use_threads=False)
        columns = [name for name in rows.column_names if name not in {"key", "asked_at", "shard"}]
        merged = once.aggregate([(name, "first") for name in columns])
        merged = merged.rename_columns({f"{name}_first": name for name in columns})
        _publish(lake, merged)
        for commit in small:
            try:
                lake.withdraw(commit)
            except FileNotFoundError:
                pass  # an object store has no lock: another process was as quick


def token_counts(lake: Lake) -> list[dict[str, Any]]:
    """Requests and tokens by system, step and model: what was really asked, hits cost nothing."""
    statement = Path(__file__).with_name("lm_token_counts.sql").read_text("utf-8")
    return Catalog(lake).rows(statement)


def _small(lake: Lake) -> list[Commit]:
    return [c for c in lake.commits(LmRequests.table) if c.rows < _SMALL_ROWS]


def _publish(lake: Lake, rows: pa.Table) -> None:
    shard = uuid.uuid4().hex
    lake.publish(
        LmRequests,
        rows.append_column("shard", pa.repeat(shard, rows.num_rows)),
        recipe=hashlib.sha256(shard.encode()).hexdigest(),
        fields={"shard": shard},
        run_id=root_run_id(),
        code=code_version(),
    )


def _schema_without_shard() -> pa.Schema:
    schema = LmRequests.arrow_schema()
    return schema.remove(schema.get_field_index("shard"))


def _identity(listed: Mapping[str, Any]) -> str:
    """What decides a model's answers, as text: its weights, and how they are run."""
    config = json.loads(listed["config"])
    settings = [config["backend"], config["dtype"], config["truncate"]]
    if config["server"] is not None:
        settings += [config["server"]["endpoint"], config["server"]["logprobs"]]
    if config["offload"] is not None:
        settings.append(config["offload"]["compress"])
    return json.dumps([listed["weights_sha256"], *settings])


def _asker() -> tuple[str, str]:
    """Flow and step around this call; empty outside of them."""
    from prefect.context import TaskRunContext
    from prefect.runtime import flow_run

    if not root_run_id():
        return "", ""
    task = TaskRunContext.get()
    return str(flow_run.flow_name or ""), task.task.name if task else ""
