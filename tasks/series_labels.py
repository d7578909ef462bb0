"""Steps of SpaceTime's classifier: labelled series to the accuracy of several classifiers."""

from __future__ import annotations

import pyarrow as pa

from models.spacetime.classifier_config import ClassifierConfig
from tasks.produces import produces
from tasks.progress import progress_bar


@produces("classification_scores", version=1)
def classification_scores(
    config: ClassifierConfig, seeds: tuple[int, ...], digest: str
) -> pa.Table:
    """Accuracy of SpaceTime's classifier, every seed, and of its baselines on a test split.

    digest: SHA-256 of the files that are read.
    """
    import numpy as np

    from data.datasets.labelled import labelled_digest, read_labelled
    from data.lake.tables import CONTRACTS
    from models.spacetime import classifier_baselines as baselines
    from models.spacetime.classifier import fit_classifier

    if labelled_digest(config.dataset) != digest:
        raise ValueError(f"{config.dataset}: its files have changed since the run began")
    train, test = read_labelled(config.dataset)
    known, asked = ([np.array(one) for one in split.series] for split in (train, test))
    guesses = {
        "majority": baselines.majority(train.labels, len(asked)),
        "nearest_neighbour": baselines.nearest_neighbour(known, train.labels, asked),
        "logistic_regression": baselines.logistic_regression(known, train.labels, asked),
    }
    rows = [{"model": name, "seed": 0, "found": found} for name, found in guesses.items()]
    for seed in seeds:
        bar = progress_bar(f"classifying {config.dataset}, seed {seed}")
        fitted = fit_classifier(known, train.labels, config, seed, bar)
        rows.append(
            {
                "model": "spacetime", "seed": seed, "found": fitted.predict(asked),
                "parameters": sum(p.numel() for p in fitted.network.parameters()),
                "epochs": fitted.epochs, "train_seconds": fitted.train_seconds,
            }
        )  # fmt: skip
    about = {
        "dataset": config.dataset, "n_train": len(known), "n_test": len(asked),
        "channels": len(known[0]), "classes": len(set(train.labels)),
    }  # fmt: skip
    truth = np.array(test.labels)
    return pa.Table.from_pylist(
        [
            about | row | {"accuracy": float((np.array(row["found"]) == truth).mean())}
            for row in rows
        ],
        schema=CONTRACTS["classification_scores"].arrow_schema(),
    )
