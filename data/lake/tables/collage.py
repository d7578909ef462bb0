"""Tables of Collage Diffusion: layers, models, judges, pictures, scores and what they say."""

from data.lake.contract import Contract, column

_METHOD = "how the picture was made"
_SOURCE = "where its collage is from: held-out, or the name of a user's file"


class Collages(
    Contract, table="collages", unique=("source", "collage", "layer"), partition=("source",)
):
    """Layers of all collages, back to front, each at its place on the canvas."""

    source: str = column(_SOURCE)
    collage: str = column("name of the collage")
    layer: int = column("number from the back; 0 is the backmost", ge=0)
    prompt: str = column("words of the whole picture")
    text: str = column("words of the layer")
    width: int = column("of the canvas", unit="px", ge=1)
    height: int = column("of the canvas", unit="px", ge=1)
    noise: float = column("noise of the layer: 0 keeps its pixels", ge=0, le=1)
    attend: float = column("pull of its words towards its place", ge=0)
    avoid: float = column("push of its words away from elsewhere", ge=0)
    edges: float = column("hold of its outlines", ge=0, le=1)
    canvas_noise: float = column("noise where no layer is", ge=0, le=1)
    shape: int = column("class the segmenter knows its shape by; 0 where it knows none", ge=0)
    colour: int = column("class the segmenter knows its colour by; 0 where it knows none", ge=0)
    pixels: bytes = column("RGBA of the whole canvas as PNG")


class CollageModels(Contract, table="collage_models", unique=("model",), partition=("model",)):
    """Small text-to-picture models that were trained here, with the course of their training."""

    model: str = column("name of the model")
    steps: int = column("optimiser steps", ge=1)
    pictures: int = column("pictures seen", ge=1)
    parameters: int = column("trained numbers", ge=1)
    train_seconds: float = column("processor time of the training thread", unit="s", ge=0)
    look_steps: list[int] = column("steps at which the loss was noted")
    losses: list[float] = column("mean loss since the last note")
    config: str = column("settings of model and training as JSON")
    weights: bytes = column("averaged weights as safetensors")


class CollageJudges(Contract, table="collage_judges", unique=("seed",), partition=("seed",)):
    """The segmenter and the judge of filmed against pasted, and how good they are."""

    seed: int = column("seed of weights", ge=0)
    steps: int = column("optimiser steps", ge=1)
    n_test: int = column("held-out scenes they were tested on", ge=1)
    pixel_accuracy: float = column(
        "share of objects' pixels whose shape and colour are right", ge=0, le=1
    )
    real_accuracy: float = column("share of filmed and pasted pictures told apart", ge=0, le=1)
    train_seconds: float = column("processor time of the training", unit="s", ge=0)
    config: str = column("settings as JSON")
    weights: bytes = column("both networks as safetensors")


class CollageWords(Contract, table="collage_words", unique=("collage", "layer")):
    """Words learned for the look of single layers."""

    collage: str = column("name of the collage")
    layer: int = column("number of the layer from the back", ge=0)
    vectors: int = column("learned words of the layer", ge=1)
    width: int = column("length of a word's vector", ge=1)
    values: list[float] = column("the vectors, one after the other")
    first_loss: float = column("loss of the first tenth of the steps", ge=0)
    last_loss: float = column("loss of the last tenth", ge=0)
    steps: int = column("optimiser steps", ge=1)


class CollageImages(
    Contract,
    table="collage_images",
    unique=("source", "collage", "method", "seed"),
    partition=("source", "method"),
):
    """Pictures composed from collages, one method a snapshot."""

    source: str = column(_SOURCE)
    collage: str = column("name of the collage")
    method: str = column(_METHOD)
    seed: int = column("random seed of the noise", ge=0)
    width: int = column("of the picture", unit="px", ge=1)
    height: int = column("of the picture", unit="px", ge=1)
    seconds: float = column("wall time of the batch, by picture", unit="s", ge=0)
    png: bytes = column("the picture")


class CollageScores(
    Contract, table="collage_scores", unique=("collage", "method", "layer", "seed", "metric")
):
    """Spatial fidelity, appearance and harmonisation of every picture, layer by layer."""

    collage: str = column("name of the collage")
    method: str = column(_METHOD)
    layer: int = column("number of the layer; -1: the whole picture", ge=-1)
    seed: int = column("random seed of the noise", ge=0)
    metric: str = column("iou, found, centre, delta_e, cosine, change, outside or real")
    value: float = column("value of the metric")


class CollageIntervals(Contract, table="collage_intervals", unique=("method", "metric")):
    """Means of all metrics over collages and seeds, with bootstrap intervals over collages."""

    method: str = column(_METHOD)
    metric: str = column("as in collage_scores")
    mean: float = column("mean over collages of the mean over layers and seeds")
    low: float = column("2.5th percentile of the bootstrap over collages")
    high: float = column("97.5th percentile")
    n_collages: int = column("collages", ge=1)
    n_seeds: int = column("seeds a collage", ge=1)


class CollageFindings(Contract, table="collage_findings", unique=("finding",)):
    """What the scores say about the paper's claims, with intervals and whether each holds."""

    finding: str = column("the claim in words")
    value: float = column("what was measured")
    low: float = column("2.5th percentile of the bootstrap over collages")
    high: float = column("97.5th percentile")
    bar: float = column("what it was held to")
    holds: bool = column("whether the claim holds by that bar")
    detail: str = column("how it was measured")
