"""Operator data from files: splits, frames, and files that are not what they should be."""

import numpy as np
import pytest

from data.datasets.pde import FilesConfig, file_digest, file_samples
from data.synthetic.samples import Part


def write(folder, name, **arrays):
    np.savez(folder / f"{name}.npz", **arrays)


def part(split, first=0, count=2, resolution=4):
    return Part(split=split, first=first, count=count, resolution=resolution)


@pytest.fixture
def folder(tmp_path):
    rng = np.random.default_rng(0)
    write(tmp_path, "darcy_train_4", x=rng.random((6, 4, 4)) > 0.5, y=rng.random((6, 4, 4)))
    write(tmp_path, "darcy_test_4", x=np.ones((3, 4, 4), bool), y=np.ones((3, 4, 4)))
    states = rng.random((6, 17, 4))
    write(tmp_path, "burgers_train_4", x=states[:, 0], y=states, visc=[[0.01]])
    return tmp_path


def test_validation_is_cut_from_train_and_never_from_test(folder):
    config = FilesConfig(folder=str(folder), validation=2)
    with np.load(folder / "darcy_train_4.npz") as file:
        x, y = file["x"], file["y"]
    train, validation = (file_samples(config, part(s, 0, n)) for s, n in
                         (("train", 4), ("validation", 2)))  # fmt: skip
    assert np.array_equal(train.u[:, 0], x[:4])
    assert np.array_equal(validation.y[:, 0, 0], y[4:])
    assert (file_samples(config, part("test", 1)).y == 1).all()
    assert file_samples(config, part("test", 1)).number == [1, 2]


def test_burgers_as_one_map_and_as_a_roll_out(folder):
    config = {"folder": str(folder), "validation": 2}
    one = file_samples(FilesConfig(pde="burgers", **config), part("train"))
    rolled = file_samples(FilesConfig(pde="burgers_rollout", **config), part("train"))
    assert one.y.shape == (2, 1, 1, 4)
    assert rolled.y.shape == (2, 16, 1, 4)
    assert np.array_equal(rolled.y[:, -1:], one.y)


def test_rows_with_nan_are_left_out_and_named(folder):
    y = np.ones((3, 4, 4))
    y[1, 2, 3] = np.nan
    write(folder, "darcy_test_4", x=np.ones((3, 4, 4)), y=y)
    samples = file_samples(FilesConfig(folder=str(folder)), part("test", 0, 3))
    assert samples.number == [0, 2]
    assert samples.failed == [(1, "holds NaN or infinity")]


def test_the_digest_follows_the_content(folder):
    config = FilesConfig(folder=str(folder))
    before = file_digest(config, part("test"))
    write(folder, "darcy_test_4", x=np.zeros((3, 4, 4)), y=np.ones((3, 4, 4)))
    assert file_digest(config, part("test")) != before


def test_what_is_wrong_is_named(folder):
    config = FilesConfig(folder=str(folder), validation=2)
    with pytest.raises(ValueError, match=r"has no file darcy_test_9\.npz"):
        file_samples(config, part("test", resolution=9))
    with pytest.raises(ValueError, match="samples 3 to 4 asked for, the train split has 4"):
        file_samples(config, part("train", 3))
    (folder / "darcy_test_4.npz").write_bytes(b"PK\3\4 but nothing else")
    with pytest.raises(ValueError, match=r"darcy_test_4\.npz: not an npz file with arrays x and y"):
        file_samples(config, part("test"))
    write(folder, "darcy_test_4", x=np.ones((3, 4, 4)))
    with pytest.raises(ValueError, match="with arrays x and y"):
        file_samples(config, part("test"))


@pytest.mark.shared
@pytest.mark.parametrize("pde", ["darcy", "burgers", "burgers_rollout"])
def test_the_published_files(shared_datasets, pde):
    config = FilesConfig(pde=pde, folder=str(shared_datasets / "neuralop_pde"))
    for split, count in (("train", 700), ("validation", 100), ("test", 50)):
        samples = file_samples(config, part(split, 0, count, 16))
        assert len(samples.number) == count
        assert np.isfinite(samples.y).all()
    if pde == "burgers_rollout":
        assert samples.u.shape == (50, 1, 16)
        assert samples.y.shape == (50, 16, 1, 16)
