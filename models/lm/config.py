"""Which language model, and how it is run. Nothing here loads torch."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import BaseModel, Field, model_validator

DEFAULT_MODEL = "smollm2-135m-instruct"
Backend = Literal["transformers", "gguf", "openai", "offload"]
Truncation = Literal["error", "left", "right"]


class ServerConfig(BaseModel, frozen=True, extra="forbid"):
    """An OpenAI-compatible server, and how it may be asked."""

    base_url: str = Field(
        "http://127.0.0.1:8000/v1", description="where it listens", pattern=r"^https?://"
    )
    endpoint: Literal["completions", "chat"] = Field(
        "completions", description="chat: every prompt is one user's message"
    )
    key_env: str = Field(
        "OPENAI_API_KEY",
        description="environment variable that holds the key; the key itself is never stored",
        pattern=r"^[A-Za-z_][A-Za-z0-9_]*$",
    )
    context: int = Field(8192, ge=1, description="most tokens of prompt and completion [tokens]")
    logprobs: bool = Field(True, description="ask for log-probabilities, which some servers refuse")
    timeout_s: float = Field(120.0, gt=0, description="longest wait for one answer [s]")
    retries: int = Field(5, ge=0, le=20, description="further tries after a passing failure")
    backoff_s: float = Field(
        1.0, gt=0, description="wait before the first further try; doubles each time [s]"
    )
    concurrency: int = Field(4, ge=1, le=256, description="requests under way at once")
    requests_per_minute: int | None = Field(None, ge=1, description="limit; none: no limit")
    tokens_per_minute: int | None = Field(
        None, ge=1, description="limit on prompt and completion tokens; none: no limit"
    )


class OffloadConfig(BaseModel, frozen=True, extra="forbid"):
    """What the offload engine may use."""

    memory_bytes: int = Field(2**30, ge=2**20, description="most memory it holds [bytes]")
    compress: bool = Field(False, description="weights and cache kept in 4 bits")
    # Where, not what: the answers do not depend on it, so recipes and tables do not show it.
    disk: str = Field(
        "", exclude=True, description="folder for what does not fit; empty: a temporary one"
    )


class ModelConfig(BaseModel, frozen=True, extra="forbid"):
    """One language model and the back end that runs it."""

    name: str = Field(
        DEFAULT_MODEL,
        min_length=1,
        description="a known name (headwater models list), random:SHAPE@SEED, a hub id, a folder, "
        "or a GGUF file; for openai the model's name on the server",
    )
    backend: Backend = Field("transformers", description="what runs it")
    device: str = Field(
        "cpu", pattern=r"^(cpu|cuda(:\d+)?)$", description="where transformers computes"
    )
    dtype: Literal["float32", "bfloat16", "float16"] = Field(
        "float32", description="number format of transformers' weights and states"
    )
    threads: int = Field(
        2, ge=1, le=256, description="processor threads; sums round differently with another number"
    )
    reuse_beginning: bool = Field(
        False,
        description="backend gguf reads what a prompt has in common with the one before only once: "
        "faster for many questions about one text, but sums then round with the order of prompts",
    )
    batch_tokens: int = Field(
        4096, ge=1, description="most tokens of a batch, padding and room to write in [tokens]"
    )
    truncate: Truncation = Field(
        "error",
        description="a text longer than the context: an error, or cut at its left or right end",
    )
    server: ServerConfig | None = Field(None, description="of backend openai")
    offload: OffloadConfig | None = Field(None, description="of backend offload")

    @model_validator(mode="after")
    def _settings_of_its_backend(self) -> Self:
        if self.backend == "openai" and self.server is None:
            raise ValueError("backend openai needs server.base_url: where does the server listen?")
        for backend, given in (("openai", self.server), ("offload", self.offload)):
            if given is not None and self.backend != backend:
                raise ValueError(
                    f"settings of backend {backend} are given, but backend is {self.backend}"
                )
        return self
