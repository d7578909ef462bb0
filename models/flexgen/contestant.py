"""One contestant of a benchmark, in a process of its own.

    python -m models.flexgen.contestant JSON

Each runs under the same hard limit on the memory it allocates, with the page cache cold: the
engine reads past it, accelerate's weight files are dropped from it before every forward pass, as
they would be on a machine whose memory they do not fit into.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, Field

from models.flexgen.config import Policy


class Entry(BaseModel, frozen=True, extra="forbid"):
    """What a contestant is to do: the same prompts, tokens and memory for all."""

    who: Literal["engine", "accelerate"]
    folder: Path = Field(description="the model")
    scratch: Path = Field(description="folder of the disk tier")
    cap_bytes: int = Field(description="most memory it may allocate, interpreter included")
    requests: int = Field(description="prompts of the whole job", ge=1)
    prompt: int = Field(description="length of a prompt [tokens]", ge=1)
    tokens: int = Field(description="new tokens a prompt", ge=1)
    threads: int = Field(default=2, ge=1)
    policy: Policy | None = Field(default=None, description="of the engine; None: it plans")
    asked: Policy = Field(default=Policy(), description="compute type and compression")
    batch: int = Field(default=1, ge=1, description="requests at a time; accelerate")


class Result(BaseModel, frozen=True, extra="forbid"):
    """What came of it."""

    tokens_per_s: float
    seconds: float
    peak_bytes: int = Field(description="most memory it had allocated and touched")
    predicted_seconds: float | None = None
    policy: Policy | None = None
    engine_peak_bytes: int = 0
    read_bytes: int = 0
    first_tokens: list[int] = Field(default=[], description="of the first prompt: a cross-check")
    versions: dict[str, str] = {}


def prompts_of(entry: Entry, vocabulary: int) -> list[list[int]]:
    """The job's prompts: ids at random, the same for all contestants."""
    import torch

    random = torch.Generator().manual_seed(0)
    size = (entry.requests, entry.prompt)
    return torch.randint(3, vocabulary, size, generator=random).tolist()


def run_engine(entry: Entry, memory_bytes: int) -> Result:
    """Plans, unless a policy is given, and generates all prompts."""
    from models.flexgen.calibration import calibrated
    from models.flexgen.offloading import Place, planned, run
    from models.flexgen.planner import Job, predict
    from models.flexgen.weights import WeightFolder

    weights = WeightFolder(entry.folder)
    prompts = prompts_of(entry, weights.shape.vocab)
    job = Job(tuple(len(prompt) for prompt in prompts), entry.tokens)
    place = Place(memory_bytes, entry.scratch, entry.scratch / "calibrations")
    if entry.policy is None:
        chosen = planned(weights, job, entry.asked, place)
    else:
        prices = calibrated(
            weights, entry.policy, place.scratch, place.calibrations, memory_bytes=memory_bytes
        )
        chosen = predict(weights, job, entry.policy, prices)
    outcome = run(weights, prompts, chosen, entry.tokens, place)
    made = outcome.generated
    return Result(
        tokens_per_s=made.tokens_per_s,
        seconds=made.seconds,
        peak_bytes=0,
        predicted_seconds=outcome.plan.seconds,
        policy=outcome.plan.policy,
        engine_peak_bytes=made.peak["device"] + made.peak["host"],
        read_bytes=sum(size for route, size in made.traffic.items() if route.source == "disk"),
        first_tokens=made.tokens[0],
    )


def run_accelerate(entry: Entry) -> Result:
    """One batch, row by row: every forward pass reads all weights from disk."""
    import accelerate
    import torch
    import transformers
    from transformers import AutoModelForCausalLM

    entry.scratch.mkdir(parents=True, exist_ok=True)
    model: Any = AutoModelForCausalLM.from_pretrained(
        entry.folder,
        device_map={"": "disk"},
        offload_folder=str(entry.scratch),
        dtype=getattr(torch, entry.asked.compute),
        local_files_only=True,
    )
    files = [*entry.folder.glob("*.safetensors"), *entry.scratch.glob("*.dat")]
    forward = model.forward

    def cold_forward(*args: Any, **kwargs: Any) -> Any:
        _drop(files)
        return forward(*args, **kwargs)

    model.forward = cold_forward
    ids = torch.tensor(prompts_of(entry, model.config.vocab_size)[: entry.batch])
    before = _read_bytes()
    started = time.perf_counter()
    with torch.inference_mode():
        made = model.generate(
            ids, attention_mask=torch.ones_like(ids), do_sample=False,
            max_new_tokens=entry.tokens, min_new_tokens=entry.tokens,
        )  # fmt: skip
    seconds = time.perf_counter() - started
    return Result(
        tokens_per_s=len(ids) * entry.tokens / seconds,
        seconds=seconds,
        peak_bytes=0,
        read_bytes=_read_bytes() - before,
        first_tokens=made[0, entry.prompt :].tolist(),
        versions={
            "accelerate": accelerate.__version__,
            "transformers": transformers.__version__,
            "torch": torch.__version__,
        },
    )


def _drop(files: list[Path]) -> None:
    for file in files:
        descriptor = os.open(file, os.O_RDONLY)
        try:
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        finally:
            os.close(descriptor)


def _status(name: str) -> int:
    """A size of this process [bytes], by its name in /proc/self/status."""
    for line in Path("/proc/self/status").read_text("ascii").splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024
    raise RuntimeError(f"/proc/self/status has no {name}")


def _read_bytes() -> int:
    for line in Path("/proc/self/io").read_text("ascii").splitlines():
        if line.startswith("read_bytes:"):
            return int(line.split()[1])
    raise RuntimeError("/proc/self/io has no read_bytes")


@contextmanager
def _watched(peak: list[int], cap: int) -> Iterator[None]:
    """Notes the most anonymous memory in use, and ends the process when it is more than `cap`.

    Pages of files are the system's to take back and do not count. The limits of the kernel
    (RLIMIT_DATA) would: they take a private map of a weights file, as accelerate makes it, for
    memory in use.
    """
    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(_WATCH_SECONDS):
            peak[0] = max(peak[0], _status("RssAnon"))
            if peak[0] > cap:
                _tell({"error": f"MemoryError: it takes {peak[0]:,} of {cap:,} bytes"})
                os._exit(3)

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield
    finally:
        peak[0] = max(peak[0], _status("RssAnon"))
        ended.set()
        thread.join()


def _tell(result: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(result) + "\n")
    sys.stdout.flush()


def main(argument: str) -> Result:
    """Runs one entry under its limit. Raises MemoryError or ValueError when it cannot hold it."""
    import torch
    import transformers  # noqa: F401  imported by both sides, so that both start equally large

    from models.flexgen import offloading  # noqa: F401  before what the interpreter takes is seen

    entry = Entry.model_validate_json(argument)
    torch.set_num_threads(entry.threads)
    torch.ones(256, 256) @ torch.ones(256, 256)  # threads and their buffers are there before
    base = _status("RssAnon")
    room = entry.cap_bytes - base
    if room <= 0:
        raise ValueError(f"the interpreter alone takes {base:,} of {entry.cap_bytes:,} bytes")
    peak = [base]
    with _watched(peak, entry.cap_bytes):
        # The engine leaves a little for what lies outside of its accounts.
        found = (
            run_accelerate(entry)
            if entry.who == "accelerate"
            else run_engine(entry, room - min(room // 4, _SPARE))
        )
    return found.model_copy(update={"peak_bytes": peak[0]})


_SPARE = 128 << 20  # bytes: Python objects, tokenised prompts, allocator
_WATCH_SECONDS = 0.005

if __name__ == "__main__":
    try:
        told = main(sys.argv[1]).model_dump(mode="json")
    except (MemoryError, ValueError, RuntimeError) as error:
        told = {"error": f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"}
    _tell(told)
