"""A model behind an OpenAI-compatible server, asked through OpenAI's own client library.

What may pass is tried again: no connection, timeouts, 408, 409, 425, 429, 5xx, and answers that
are no JSON or lack what was asked for. Everything else is an error at once. The key comes from the
environment and goes to the client alone: messages of the server are shown with it blotted out.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

from models.lm.config import ModelConfig
from models.lm.interface import Completion, Pooling, Sampling, Score
from models.lm.pacing import Pace, backoff, retry_after
from models.progress import Progress, silent

if TYPE_CHECKING:
    import numpy as np

Item = TypeVar("Item")
Answer = TypeVar("Answer")
Create = Callable[..., Any]  # the client's method for one endpoint; its answer has `.text`

_PASSING = {408, 409, 425, 429}
_LONGEST_BACKOFF_S = 60.0
_LONGEST_WAIT_S = 600.0  # a server that asks for more is not waited for
_CHARACTERS_A_TOKEN = 4  # a guess, until the answer tells


class OpenAIModel:
    """A model on a server. Completes; scores where the server echoes log-probabilities."""

    def __init__(self, config: ModelConfig) -> None:
        """Raises ValueError when the client library is missing or truncation is asked for."""
        try:
            import openai
        except ImportError as error:
            raise ValueError("backend openai needs its client: pip install openai") from error
        assert config.server is not None  # ModelConfig sees to it
        if config.truncate != "error":
            raise ValueError("backend openai cannot truncate: only the server knows the tokens")
        self.name, self.context = config.name, config.server.context
        self._server = config.server
        self._key = os.environ.get(config.server.key_env, "")
        self._client = openai.OpenAI(
            base_url=config.server.base_url,
            api_key=self._key or "none",  # the client insists on one, many servers do not
            timeout=config.server.timeout_s,
            max_retries=0,
        )
        self._requests = Pace(config.server.requests_per_minute)
        self._tokens = Pace(config.server.tokens_per_minute)

    def generate(
        self, prompts: Sequence[str], sampling: Sampling, progress: Progress = silent
    ) -> list[Completion]:
        chat = self._server.endpoint == "chat"
        settings: dict[str, Any] = {
            "model": self.name,
            "max_tokens": sampling.max_tokens,
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            "seed": sampling.seed,
            "stop": list(sampling.stop) or None,
            "logprobs": (True if chat else 1) if self._server.logprobs else None,
        }
        settings = {name: value for name, value in settings.items() if value is not None}

        plain = self._client.completions.with_raw_response.create
        chats = self._client.chat.completions.with_raw_response.create

        def complete(prompt: str) -> Completion:
            if not chat:
                body = {"prompt": prompt, **settings}
                return self._ask(plain, body, sampling.max_tokens, _completion)
            body = {"messages": [{"role": "user", "content": prompt}], **settings}
            return self._ask(chats, body, sampling.max_tokens, _chat_completion)

        return self._all(prompts, complete, progress)

    def score(self, pairs: Sequence[tuple[str, str]], progress: Progress = silent) -> list[Score]:
        """By echoed log-probabilities, which vLLM and llama-cpp-python give and many do not."""
        if self._server.endpoint == "chat":
            raise NotImplementedError("a chat endpoint tells nothing about given text")

        plain = self._client.completions.with_raw_response.create

        def scored(pair: tuple[str, str]) -> Score:
            prompt, continuation = pair
            if not continuation:
                return Score((), (), 0)
            body: dict[str, Any] = {"model": self.name, "prompt": prompt + continuation}
            body |= {"echo": True, "max_tokens": 0, "logprobs": 1, "temperature": 0}
            return self._ask(plain, body, 0, lambda told: _score(told, len(prompt)))

        return self._all(pairs, scored, progress)

    def hidden_states(
        self, texts: Sequence[str], layer: int = -1, progress: Progress = silent
    ) -> list[np.ndarray]:
        _not_told("hidden states")

    def embed(
        self,
        texts: Sequence[str],
        layer: int = -1,
        pooling: Pooling = "mean",
        progress: Progress = silent,
    ) -> np.ndarray:
        _not_told("the states of a layer")

    def chat_prompt(self, user: str, system: str = "") -> str:
        """The texts themselves: a chat endpoint lays its template around them."""
        return f"{system}\n\n{user}" if system else user

    def _all(
        self, items: Sequence[Item], ask: Callable[[Item], Answer], progress: Progress
    ) -> list[Answer]:
        """Answers in order, so many asked for at once; the first failure stops the rest."""
        with ThreadPoolExecutor(self._server.concurrency) as pool:
            futures = [pool.submit(ask, item) for item in items]
            try:
                for done, future in enumerate(as_completed(futures), 1):
                    future.result()
                    progress(done, len(futures))
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise
        return [future.result() for future in futures]

    def _ask(
        self, create: Create, body: dict[str, Any], room: int, read: Callable[[Any], Answer]
    ) -> Answer:
        """One answer, tried for as often as the configuration says.

        Raises ConnectionError when nothing helped, ValueError for what trying cannot help.
        """
        expected = len(json.dumps(body)) // _CHARACTERS_A_TOKEN + room
        failure = ""
        for attempt in range(self._server.retries + 1):
            time.sleep(max(self._requests.reserve(1), self._tokens.reserve(expected)))
            told, failure, wait = self._once(create, body)
            if not failure:
                try:
                    answer = read(told)
                except (KeyError, IndexError, TypeError, AttributeError, ValueError) as error:
                    failure = f"an answer without what was asked for ({error!r})"
                else:
                    self._tokens.correct(_used(told, expected) - expected)
                    return answer
            if attempt < self._server.retries:
                time.sleep(max(wait, backoff(attempt, self._server.backoff_s, _LONGEST_BACKOFF_S)))
        raise ConnectionError(
            f"{self._server.base_url} gave no answer in {self._server.retries + 1} tries: "
            f"{self._safe(failure)}"
        )

    def _once(self, create: Create, body: dict[str, Any]) -> tuple[Any, str, float]:
        """(answer, failure or "", seconds the server asks to wait)."""
        import openai

        try:
            return json.loads(create(**body).text), "", 0.0
        except openai.APITimeoutError:
            return None, f"no answer within {self._server.timeout_s:g} s", 0.0
        except openai.APIConnectionError as error:
            return None, f"no connection ({error.__cause__ or error})", 0.0
        except openai.APIStatusError as error:
            lines = str(error.message).splitlines()
            failure = f"status {error.status_code}: {lines[0] if lines else ''}"
            wait = retry_after(error.response.headers)
            exhausted = error.code == "insufficient_quota"
            passing = error.status_code in _PASSING or error.status_code >= 500
            if not passing or exhausted or wait > _LONGEST_WAIT_S:
                raise ValueError(self._refusal(error.status_code, failure)) from None
            return None, failure, wait
        except ValueError:  # JSON that is none
            return None, "an answer that is no JSON", 0.0

    def _refusal(self, status: int, failure: str) -> str:
        advice = f"; is the key in {self._server.key_env} right?" if status in {401, 403} else ""
        return f"{self._server.base_url} refuses {self.name}: {self._safe(failure)}{advice}"

    def _safe(self, message: str) -> str:
        return message.replace(self._key, "***") if self._key else message


def _completion(told: Any) -> Completion:
    choice = told["choices"][0]
    logprobs = (choice.get("logprobs") or {}).get("token_logprobs") or ()
    return _as_completion(told, choice, str(choice["text"]), logprobs)


def _chat_completion(told: Any) -> Completion:
    choice = told["choices"][0]
    content = (choice.get("logprobs") or {}).get("content") or ()
    text = choice["message"]["content"]
    logprobs = [token["logprob"] for token in content]
    return _as_completion(told, choice, "" if text is None else str(text), logprobs)


def _as_completion(told: Any, choice: Any, text: str, logprobs: Sequence[float]) -> Completion:
    return Completion(
        text=text,
        tokens=(),
        logprobs=tuple(float(value) for value in logprobs),
        prompt_tokens=int(told["usage"]["prompt_tokens"]),
        completion_tokens=int(told["usage"]["completion_tokens"]),
        finish="length" if choice["finish_reason"] == "length" else "stop",
    )


def _score(told: Any, border: int) -> Score:
    """By the rule of models/lm/__init__.py, from the offsets [characters] the server tells."""
    echoed = told["choices"][0]["logprobs"]
    tokens, offsets = echoed["tokens"], echoed["text_offset"]
    ends = [*offsets[1:], offsets[-1] + len(tokens[-1])]
    begin = sum(end <= border for end in ends)
    logprobs = echoed["token_logprobs"][begin:]
    if not logprobs:
        raise ValueError("the continuation is not echoed")
    if None in logprobs:
        raise NotImplementedError(
            "a server tells no log-probability of a text's first token: give a prompt"
        )
    likeliest = [max(top, key=top.__getitem__) for top in echoed["top_logprobs"][begin:]]
    return Score(
        tuple(float(value) for value in logprobs),
        tuple(token == best for token, best in zip(tokens[begin:], likeliest, strict=True)),
        begin,
    )


def _used(told: Any, expected: int) -> int:
    """Tokens an answer took; what was expected where the server does not say."""
    usage = told.get("usage") or {}
    return int(usage.get("total_tokens", expected))


def _not_told(what: str) -> NoReturn:
    raise NotImplementedError(f"a server does not tell {what}: use backend transformers")
