"""Tables of language models: which there are, and what they were asked."""

from datetime import datetime

from data.lake.contract import Contract, column


class LanguageModels(
    Contract,
    table="language_models",
    unique=("name", "backend"),
    partition=("name", "backend"),
):
    """The language models that systems ask: what they are and the hash of their weights."""

    name: str = column("name it is asked for by; of a local path the last part")
    backend: str = column("what runs it", isin=["transformers", "gguf", "openai", "offload"])
    architecture: str | None = column("class in transformers; null behind a server")
    parameters: int | None = column("number of weights; null behind a server", ge=1)
    layers: int | None = column("decoder layers; null behind a server", ge=1)
    width: int | None = column("width D of the states; null behind a server", ge=1)
    heads: int | None = column("attention heads H; null behind a server", ge=1)
    context: int = column("most tokens of prompt and completion together", unit="tokens", ge=1)
    source: str = column("where the weights came from; of a server its address")
    source_sha256: str | None = column("SHA-256 of what was fetched; null behind a server")
    weights_sha256: str = column(
        "SHA-256 over weights, tokenizer and settings; of a server over its address and the name"
    )
    licence: str | None = column("licence of the weights; null behind a server")
    bytes: int | None = column("size of all files; null behind a server", unit="bytes", ge=1)
    config: str = column("how it is run, as JSON")


class LmRequests(Contract, table="lm_requests", unique=("key", "asked_at"), partition=("shard",)):
    """Everything language models were really asked, with answer and token counts."""

    shard: str = column("the flush, or the merger of flushes, this row was published in")
    key: str = column("hash of model, kind, prompt and parameters: equal requests share it")
    model: str = column("name of the model")
    weights_sha256: str = column("its weights, as in language_models")
    kind: str = column("what was asked", isin=["generate", "score"])
    prompt: str = column("the prompt")
    parameters: str = column("sampling or continuation, as JSON")
    answer: str = column("completion or score, as JSON")
    prompt_tokens: int = column("tokens of the prompt", unit="tokens", ge=0)
    completion_tokens: int = column(
        "tokens written, or tokens of the scored continuation", unit="tokens", ge=0
    )
    seconds: float = column("share of the wall time of the batch it was in", unit="s", ge=0)
    system: str = column("flow that asked; empty outside of any")
    step: str = column("step that asked; empty outside of any")
    run_id: str = column("flow run that asked; empty outside of any")
    asked_at: datetime = column("when it was answered (UTC)")
