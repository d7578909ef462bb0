"""Steps of Collage Diffusion that compose: words learned for layers, and pictures."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pyarrow as pa

from data.lake import TableRef
from models.collage.config import InversionConfig
from models.collage.methods import Method
from tasks.collage_folders import ModelFolder
from tasks.collage_layers import Known, png_of, read_collages
from tasks.produces import produces
from tasks.progress import progress_bar

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from models.collage.layers import Collage
    from models.collage.sampler import Words


@produces("collage_words", version=1)
def collage_words(collages: TableRef, model: ModelFolder, config: InversionConfig) -> pa.Table:
    """A word learned for the look of every layer of every collage (textual inversion)."""
    from models.collage.inversion import learn_words, word_rows
    from models.collage.packaged import open_model

    parts, rows = open_model(Path(model.folder)), []
    found = read_collages(collages)
    bar = progress_bar("learning words for layers")
    for number, (name, one) in enumerate(found.items()):
        learned = learn_words(parts, one.collage, config)
        tenth = max(config.steps // 10, 1)
        for layer, own in enumerate(word_rows(len(one.collage.layers), config.vectors)):
            rows.append(
                {
                    "collage": name,
                    "layer": layer,
                    "vectors": config.vectors,
                    "width": learned.rows.shape[1],
                    "values": learned.rows[own].flatten().tolist(),
                    "first_loss": sum(learned.losses[:tenth]) / tenth,
                    "last_loss": sum(learned.losses[-tenth:]) / tenth,
                    "steps": config.steps,
                }
            )
        bar(number + 1, len(found))
    return pa.Table.from_pylist(rows)


@produces("collage_images", version=1)
def collage_images(
    collages: TableRef,
    words: Sequence[TableRef],
    model: ModelFolder,
    method: Method,
    seeds: Sequence[int],
) -> pa.Table:
    """Pictures that one method composes from every collage with every seed.

    words: the table of learned words, where the method has any.
    """
    from models.collage.edges import EdgeControl
    from models.collage.packaged import open_edges, open_model
    from models.collage.sampler import compose
    from models.collage.train import to_bytes

    place = Path(model.folder)
    parts = open_model(place)
    network = open_edges(place) if method.edges else None
    kept = {
        (row["collage"], row["layer"]): row for table in words for row in table.read().to_pylist()
    }
    bar = progress_bar(f"composing: {method.name}")

    def compose_batch(batch: _Batch) -> Sequence[NDArray[np.uint8]]:
        if method.pasted:
            return [one.composite for one in batch.collages]
        found = compose(
            parts,
            [method.told(one) for one in batch.collages],
            method.sample,
            batch.seeds,
            words=_words_of(kept, batch) if kept else None,
            edges=[EdgeControl(network)] if network else [],
            progress=bar,
        )
        return list(to_bytes(found))

    rows, known = [], read_collages(collages)
    for batch in _batches(known, seeds):
        asked = time.perf_counter()
        pictures = compose_batch(batch)
        spent = (time.perf_counter() - asked) / len(pictures)
        rows += [
            {
                "source": known[name].source,
                "collage": name,
                "method": method.name,
                "seed": seed,
                "width": picture.shape[1],
                "height": picture.shape[0],
                "seconds": spent,
                "png": png_of(picture),
            }
            for name, seed, picture in zip(batch.names, batch.seeds, pictures, strict=True)
        ]
    return pa.Table.from_pylist(rows)


_BATCH = 16  # pictures sampled at once


class _Batch(NamedTuple):
    """Collages of one size, with the seed and the name of each."""

    names: list[str]
    seeds: list[int]
    collages: list[Collage]


def _batches(found: dict[str, Known], seeds: Sequence[int]) -> Iterator[_Batch]:
    """Every collage with every seed, those of one size together."""
    by_size: dict[tuple[int, int], list[tuple[str, int, Collage]]] = defaultdict(list)
    for name, one in found.items():
        by_size[one.collage.size] += [(name, seed, one.collage) for seed in seeds]
    for members in by_size.values():
        for first in range(0, len(members), _BATCH):
            yield _Batch(*map(list, zip(*members[first : first + _BATCH], strict=True)))


def _words_of(kept: dict[tuple[str, int], dict[str, Any]], batch: _Batch) -> Words:
    """The learned words of a batch's layers."""
    import torch

    from models.collage.sampler import Words

    rows: list[torch.Tensor] = []
    layers: list[list[list[int]]] = []
    for name, one in zip(batch.names, batch.collages, strict=True):
        layers.append([])
        for i in range(len(one.layers)):
            row = kept[name, i]
            own = torch.tensor(row["values"]).view(row["vectors"], row["width"])
            layers[-1].append(list(range(len(rows), len(rows) + len(own))))
            rows += list(own)
    return Words(torch.stack(rows), layers)
