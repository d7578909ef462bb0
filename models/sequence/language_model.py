"""Backbones trained on text, behind the interface of all language models (models/lm/interface.py).

Layers go on by state, cache or online convolution, whatever suits each; prompts of one length are
generated from together. A folder in Hugging Face layout holds one for good (write_folder), and is
opened by its path wherever a model is named.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from safetensors.torch import load, save

from models.lm.cards import BACKBONE
from models.lm.drawing import Drawing
from models.lm.interface import Completion, Pooling, Sampling, Score
from models.progress import Progress, silent
from models.sequence.backbone import Backbone
from models.sequence.config import BackboneConfig
from models.sequence.text import END

if TYPE_CHECKING:
    from tokenizers import Tokenizer


def to_bytes(model: Backbone) -> bytes:
    """Weights as safetensors; a tied head is left out, the embedding holds it."""
    state = model.state_dict()
    if model.config.tied:
        del state["head.weight"]
    return save({name: part.contiguous() for name, part in state.items()})


def from_bytes(weights: bytes, config: BackboneConfig) -> Backbone:
    """The backbone whose weights these are, ready to predict."""
    model = Backbone(config)
    state = load(weights)
    if config.tied:
        state["head.weight"] = state["embed.weight"]
    model.load_state_dict(state)
    return model.eval()


def write_folder(weights: bytes, config: BackboneConfig, tokenizer: str, folder: Path) -> None:
    """Weights, settings and tokenizer.json as a folder that `open_folder` opens.

    Raises ValueError for a folder that is there and not empty.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ValueError(f"{folder} is there already: give a folder that is new or empty")
    folder.mkdir(parents=True, exist_ok=True)
    settings = {
        "architectures": [BACKBONE],
        "num_hidden_layers": len(config.pattern),
        "hidden_size": config.width,
        "num_attention_heads": config.heads,
        "max_position_embeddings": config.longest,
        "backbone": config.model_dump(mode="json"),
    }
    (folder / "model.safetensors").write_bytes(weights)
    (folder / "tokenizer.json").write_text(tokenizer, "utf-8")
    (folder / "config.json").write_text(json.dumps(settings, indent=1) + "\n", "utf-8")


def open_folder(folder: Path, name: str) -> SequenceLanguageModel:
    """The model that write_folder wrote."""
    from tokenizers import Tokenizer

    settings = json.loads((folder / "config.json").read_text("utf-8"))
    config = BackboneConfig.model_validate(settings["backbone"])
    model = from_bytes((folder / "model.safetensors").read_bytes(), config)
    return SequenceLanguageModel(model, Tokenizer.from_file(str(folder / "tokenizer.json")), name)


class SequenceLanguageModel:
    """A backbone and its tokenizer; texts longer than `context` tokens are refused."""

    def __init__(self, model: Backbone, tokenizer: Tokenizer, name: str) -> None:
        """Raises ValueError for a tokenizer of more tokens than the model's, or without END."""
        if tokenizer.get_vocab_size() > model.config.vocabulary:
            raise ValueError(
                f"{name}: {tokenizer.get_vocab_size()} tokens, the model was made for "
                f"{model.config.vocabulary}"
            )
        self.name, self.context = name, model.config.longest
        self._model, self._tokenizer = model.eval(), tokenizer
        end = tokenizer.token_to_id(END)
        if end is None:
            raise ValueError(f"{name}: a tokenizer with the token {END}, as train_tokenizer makes")
        self._end: int = end

    def generate(
        self, prompts: Sequence[str], sampling: Sampling, progress: Progress = silent
    ) -> list[Completion]:
        """Completes every prompt; progress counts prompts."""
        rows = [self._encoded(text, "prompt", i) for i, text in enumerate(prompts)]
        for i, row in enumerate(rows):
            self._check(len(row) + sampling.max_tokens, f"prompt {i} with the answer")
        found: dict[int, Completion] = {}
        for length in sorted({len(row) for row in rows}):
            same = [i for i, row in enumerate(rows) if len(row) == length]
            made = self._completed([rows[i] for i in same], sampling)
            found |= dict(zip(same, made, strict=True))
            progress(len(found), len(rows))
        return [found[i] for i in range(len(rows))]

    def score(self, pairs: Sequence[tuple[str, str]], progress: Progress = silent) -> list[Score]:
        """Token log-probabilities of every (prompt, continuation), each encoded by itself."""
        scores = []
        for i, (prompt, continuation) in enumerate(pairs):
            before = self._encoded(prompt, "prompt", i)
            after = self._tokenizer.encode(continuation).ids
            self._check(len(before) + len(after), f"pair {i}")
            with torch.inference_mode():
                told = self._model(torch.tensor([before + after]))[0].log_softmax(-1)
            told = told[len(before) - 1 : len(before) + len(after) - 1]
            tokens = torch.tensor(after, dtype=torch.long)
            logprobs = told.gather(1, tokens.unsqueeze(1)).squeeze(1)
            greedy = told.argmax(-1) == tokens
            scores.append(Score(tuple(logprobs.tolist()), tuple(greedy.tolist()), len(before)))
            progress(i + 1, len(pairs))
        return scores

    def hidden_states(
        self, texts: Sequence[str], layer: int = -1, progress: Progress = silent
    ) -> list[np.ndarray]:
        """States after `layer` (0 the embedding, -1 the last, normalised), each float32 (L, D)."""
        states = []
        for i, text in enumerate(texts):
            ids = self._encoded(text, "text", i)
            self._check(len(ids), f"text {i}")
            with torch.inference_mode():
                states.append(self._model.hidden(torch.tensor([ids]), layer)[0].float().numpy())
            progress(i + 1, len(texts))
        return states

    def embed(
        self,
        texts: Sequence[str],
        layer: int = -1,
        pooling: Pooling = "mean",
        progress: Progress = silent,
    ) -> np.ndarray:
        """One vector a text, its states pooled over the tokens: float32 (B, D)."""
        states = self.hidden_states(texts, layer, progress)
        vectors = np.empty((len(texts), self._model.config.width), np.float32)
        for i, state in enumerate(states):
            vectors[i] = state.mean(0) if pooling == "mean" else state[-1]
        return vectors

    def chat_prompt(self, user: str, system: str = "") -> str:
        """The two texts: such a model has no chat format."""
        return f"{system}\n\n{user}" if system else user

    def _completed(self, rows: Sequence[Sequence[int]], sampling: Sampling) -> list[Completion]:
        """Completions of prompts of one length, in step."""
        drawing = Drawing(sampling, rows)
        every = list(range(len(rows)))
        tokens: list[list[int]] = [[] for _ in rows]
        logprobs: list[list[float]] = [[] for _ in rows]
        ended: dict[int, str] = {}  # the text of rows that came to a stop
        logits, step = self._model.begin(torch.tensor(rows), sampling.max_tokens)
        for _ in range(sampling.max_tokens):
            drawn, told = drawing.draw(logits, every)
            for i in every:
                if i in ended:
                    continue
                tokens[i].append(drawn[i])
                logprobs[i].append(told[i])
                text = self._tokenizer.decode(tokens[i])
                cuts = [at for at in map(text.find, sampling.stop) if at >= 0]
                if drawn[i] == self._end or cuts:
                    ended[i] = text[: min(cuts)] if cuts else text
            if len(ended) == len(rows):
                break
            logits = step(torch.tensor(drawn))
        return [
            Completion(
                text=ended.get(i, self._tokenizer.decode(tokens[i])),
                tokens=tuple(tokens[i]),
                logprobs=tuple(logprobs[i]),
                prompt_tokens=len(rows[i]),
                completion_tokens=len(tokens[i]),
                finish="stop" if i in ended else "length",
            )
            for i in every
        ]

    def _encoded(self, text: str, what: str, i: int) -> list[int]:
        """Tokens of a text; the end token stands for one without any."""
        ids: list[int] = self._tokenizer.encode(text).ids or [self._end]
        self._check(len(ids), f"{what} {i}")
        return ids

    def _check(self, length: int, what: str) -> None:
        if length > self.context:
            raise ValueError(f"{what} has {length:,} tokens, the context holds {self.context:,}")
