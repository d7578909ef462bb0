"""The plain back end: Hugging Face transformers, in memory. What the other back ends must equal.

Batches are made of similar lengths under a budget of tokens. Prompts are padded on the left, so
that all rows of a batch write at the same place; scored texts are padded on the right, where a
causal model cannot see the padding. Rows that are done leave their batch.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from models.lm.batching import batches
from models.lm.config import ModelConfig
from models.lm.drawing import Drawing
from models.lm.interface import Completion, Pooling, Sampling, Score
from models.lm.padding import padded_left, padded_right
from models.lm.quiet import quiet
from models.lm.scoring import score_rows
from models.lm.text import TextCodec, cut_at_stop, excerpt, fit
from models.progress import Progress, silent
from models.training import torch_threads

if TYPE_CHECKING:
    from transformers import PreTrainedModel


class TransformersModel:
    """A decoder in a folder of safetensors, behind the interface of all back ends."""

    def __init__(self, folder: Path, config: ModelConfig, name: str = "") -> None:
        """Raises ValueError when the folder holds no causal language model that can be loaded."""
        self.name = name or config.name
        self.codec = TextCodec(folder)
        self.model = load(folder, config.dtype, config.device)
        self.context = int(self.model.config.get_text_config().max_position_embeddings)
        self._config = config

    def generate(
        self, prompts: Sequence[str], sampling: Sampling, progress: Progress = silent
    ) -> list[Completion]:
        room = self.context - sampling.max_tokens
        rows = [
            fit(self.codec.encode(p), room, self._config.truncate, f"prompt {excerpt(p)}")
            for p in prompts
        ]
        found: dict[int, Completion] = {}
        lengths = [len(row) + sampling.max_tokens for row in rows]
        with torch_threads(self._config.threads), torch.inference_mode():
            for batch in batches(lengths, self._config.batch_tokens):
                completions = self._complete([rows[i] for i in batch], sampling)
                found.update(zip(batch, completions, strict=True))
                progress(len(found), len(rows))
        return [found[i] for i in range(len(rows))]

    def score(self, pairs: Sequence[tuple[str, str]], progress: Progress = silent) -> list[Score]:
        rows = []
        for prompt, continuation in pairs:
            ids, begin = self.codec.encode_pair(prompt, continuation)
            # Only the prompt is ever cut; one token of it stays, for the first to be scored after.
            room = self.context - (len(ids) - begin)
            if room < 1:
                raise ValueError(
                    f"continuation {excerpt(continuation)} has {len(ids) - begin:,} tokens, the "
                    f"context holds {self.context:,} with its prompt"
                )
            kept = fit(ids[:begin], room, self._config.truncate, f"prompt {excerpt(prompt)}")
            rows.append((tuple(kept), tuple(ids[begin:])))
        with torch_threads(self._config.threads), torch.inference_mode():
            return score_rows(self.model, rows, self._config.batch_tokens, progress)

    def hidden_states(
        self, texts: Sequence[str], layer: int = -1, progress: Progress = silent
    ) -> list[np.ndarray]:
        found = dict(self._states(texts, layer, progress))
        return [found[i] for i in range(len(texts))]

    def embed(
        self,
        texts: Sequence[str],
        layer: int = -1,
        pooling: Pooling = "mean",
        progress: Progress = silent,
    ) -> np.ndarray:
        width = self.model.config.get_text_config().hidden_size
        vectors = np.empty((len(texts), width), np.float32)  # (B, D)
        for i, states in self._states(texts, layer, progress):
            vectors[i] = states.mean(0) if pooling == "mean" else states[-1]
        return vectors

    def chat_prompt(self, user: str, system: str = "") -> str:
        return self.codec.chat_prompt(user, system)

    def _complete(self, rows: list[list[int]], sampling: Sampling) -> list[Completion]:
        ids, mask = padded_left(rows, self.model.device)
        drawing = Drawing(sampling, rows)
        tokens: list[list[int]] = [[] for _ in rows]
        logprobs: list[list[float]] = [[] for _ in rows]
        ended: dict[int, str] = {}  # rows that are done, with their text
        live = list(range(len(rows)))
        cache: Any = None
        while live:
            out = self.model(
                input_ids=ids,
                attention_mask=mask,
                past_key_values=cache,
                use_cache=True,
                logits_to_keep=1,
                **self._positions(mask, ids.shape[1]),
            )
            cache = out.past_key_values
            drawn, told = drawing.draw(out.logits[:, -1].float().cpu(), live)
            for row, token, logprob in zip(live, drawn, told, strict=True):
                tokens[row].append(token)
                logprobs[row].append(logprob)
                text, stopped = self._text(tokens[row], sampling.stop)
                if stopped or token in self.codec.ends:
                    ended[row] = text
            keep = [
                place
                for place, row in enumerate(live)
                if row not in ended and len(tokens[row]) < sampling.max_tokens
            ]
            if not keep:
                break
            if len(keep) < len(live):
                chosen = torch.tensor(keep, device=mask.device)
                cache.batch_select_indices(chosen)
                mask, live = mask[chosen], [live[place] for place in keep]
            last = [tokens[row][-1] for row in live]
            ids = torch.tensor(last, device=mask.device).unsqueeze(1)  # (B, 1)
            mask = torch.cat([mask, mask.new_ones(len(live), 1)], 1)
        return [
            Completion(
                text=ended[i] if i in ended else self.codec.decode(tokens[i]),
                tokens=tuple(tokens[i]),
                logprobs=tuple(logprobs[i]),
                prompt_tokens=len(rows[i]),
                completion_tokens=len(tokens[i]),
                finish="stop" if i in ended else "length",
            )
            for i in range(len(rows))
        ]

    def _text(self, tokens: list[int], stop: Sequence[str]) -> tuple[str, bool]:
        if not stop and tokens[-1] not in self.codec.ends:
            return "", False  # not asked for: decoding after every token would be for nothing
        return cut_at_stop(self.codec.decode(tokens), stop)

    def _positions(self, mask: Tensor, length: int) -> dict[str, Tensor]:
        """Positions counted without the padding, for models that take them."""
        if not _takes_positions(self.model):
            return {}
        positions = (mask.cumsum(1) - 1).clamp(min=0)
        return {"position_ids": positions[:, -length:]}

    def _states(
        self, texts: Sequence[str], layer: int, progress: Progress
    ) -> Iterator[tuple[int, np.ndarray]]:
        """(index, states (L, D)) of every text, in the order of the batches."""
        layers = self.model.config.get_text_config().num_hidden_layers
        if not -1 <= layer <= layers:
            raise ValueError(f"layer {layer} is not one of -1, 0 (the embedding) .. {layers}")
        rows = [
            fit(self.codec.encode(t), self.context, self._config.truncate, f"text {excerpt(t)}")
            for t in texts
        ]
        done = 0
        with torch_threads(self._config.threads), torch.inference_mode():
            for batch in batches([len(row) for row in rows], self._config.batch_tokens):
                ids = padded_right([rows[i] for i in batch], self.model.device)
                out = self.model.base_model(
                    input_ids=ids, use_cache=False, output_hidden_states=layer != -1
                )
                states = out.last_hidden_state if layer == -1 else out.hidden_states[layer]
                for i, state in zip(batch, states.float().cpu(), strict=True):  # (L, D)
                    yield i, state[: len(rows[i])].clone().numpy()
                done += len(batch)
                progress(done, len(rows))


def load(folder: Path, dtype: str, device: str) -> PreTrainedModel:
    """The causal language model of a folder, ready to be asked; safetensors only."""
    from transformers import AutoModelForCausalLM

    try:
        with quiet():
            model = AutoModelForCausalLM.from_pretrained(
                folder, dtype=getattr(torch, dtype), local_files_only=True, use_safetensors=True
            )
    except (OSError, KeyError) as error:
        raise ValueError(f"{folder} cannot be loaded: {str(error).splitlines()[0]}") from error
    return model.eval().to(device)


def _takes_positions(model: PreTrainedModel) -> bool:
    import inspect

    return "position_ids" in inspect.signature(model.forward).parameters
