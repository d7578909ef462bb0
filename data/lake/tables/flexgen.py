"""Tables of FlexGen: prompts, what a model wrote after them, and what offloading it took."""

from data.lake.contract import Contract, column


class Prompts(Contract, table="prompts", unique=("source", "prompt_id"), partition=("source",)):
    """Texts that a language model is to complete."""

    source: str = column("file or collection they come from")
    prompt_id: int = column("line or row within the source, from 1", ge=1)
    prompt: str = column("the text")


class Generations(
    Contract,
    table="generations",
    unique=("job", "prompt_id"),
    partition=("job", "block"),
):
    """What a language model wrote after every prompt, one row a request."""

    job: str = column("what was asked: hash of prompts, weights and settings")
    block: int = column("part of the job that was published together, from 0", ge=0)
    source: str = column("source of the prompt")
    prompt_id: int = column("prompt within its source", ge=1)
    model: str = column("name of the model")
    prompt: str = column("the text it was given")
    completion: str = column("what it wrote")
    tokens: list[int] = column("ids of the new tokens")
    prompt_tokens: int = column("tokens of the prompt", unit="tokens", ge=1)
    completion_tokens: int = column("new tokens", unit="tokens", ge=1)
    logprob: float = column(
        "log-probability of the completion, to four places: beyond them batches differ",
        unit="nats",
        le=0,
    )
    finish: str = column("why it ended", isin=["stop", "length"])
    seconds: float = column("wall time of the block, over its requests", unit="s", ge=0)


class OffloadRuns(
    Contract,
    table="offload_runs",
    unique=("job", "block", "policy", "tier"),
    partition=("job", "block"),
):
    """What generating took: predicted and measured, one row a tier of memory."""

    job: str = column("as in `generations`; 'policies' for a comparison of policies")
    block: int = column("part of the job; in a comparison 0", ge=0)
    model: str = column("name of the model")
    policy: str = column("shares in per cent on device/host/disk, batch x batches, settings")
    tier: str = column("tier of memory", isin=["device", "host", "disk"])
    cap_bytes: int = column("what the tier may hold", unit="bytes", ge=0)
    cost_model: str = column("what predicted")
    predicted_tokens_per_s: float = column(
        "throughput predicted if no request ends early", unit="tokens/s", ge=0
    )
    tokens_per_s: float = column(
        "generated tokens over prefill and decoding time", unit="tokens/s", ge=0
    )
    prefill_seconds: float = column("time of the first tokens", unit="s", ge=0)
    decode_seconds: float = column("time of all later tokens", unit="s", ge=0)
    requests: int = column("prompts completed", ge=1)
    new_tokens: int = column("tokens generated", unit="tokens", ge=1)
    bytes_read: int = column("read from the tier by another one", unit="bytes", ge=0)
    bytes_written: int = column("written to the tier by another one", unit="bytes", ge=0)
    weights_read: int = column("part of bytes_read that is weights", unit="bytes", ge=0)
    cache_read: int = column("part of bytes_read that is keys and values", unit="bytes", ge=0)
    peak_bytes: int = column("most that it held", unit="bytes", ge=0)
    predicted_peak_bytes: int = column("most that it was predicted to hold", unit="bytes", ge=0)
    weights_asked: float = column("share of the weights the policy puts here", unit="%", ge=0)
    weights_achieved: float = column("share that whole tensors allow", unit="%", ge=0)
    shadow_price: float = column(
        "tokens/s that one more GB would add, by the linear program", unit="tokens/s/GB"
    )
    padding_efficiency: float = column("share of computed prompt positions that are text", ge=0)
    backoffs: int = column("times the block was made smaller because memory ran out", ge=0)
