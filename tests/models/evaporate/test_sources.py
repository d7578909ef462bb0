"""Mixed folders: sources told apart by template, one source left in one piece."""

from __future__ import annotations

import random

import pytest

from data.datasets.factbook import as_card, as_infobox, as_memorandum, read_factbook
from data.datasets.packages import read_packages
from models.evaporate.config import SplitConfig
from models.evaporate.sources import purity, split, telling_terms

WORDS = ["red", "green", "tide", "moon", "stone", "river", "cloud", "salt", "iron", "glass"]


def prose(rng: random.Random) -> str:
    return " ".join(rng.choice(WORDS) for _ in range(60))


def letter(rng: random.Random) -> str:
    return f"Dear {rng.choice(WORDS)},\n\nSubject: {prose(rng)}\nFrom: me\nDate: 1\n\n{prose(rng)}"


def page(rng: random.Random) -> str:
    return f"<html><body><h1>{rng.choice(WORDS)}</h1><p class='lead'>{prose(rng)}</p></body></html>"


def report(rng: random.Random) -> str:
    return f"Title: {prose(rng)}\nAuthor: x\n\nSummary\n=======\n\n{prose(rng)}\n\nResults\n\n-"


def mixed(makers: list, n: int, seed: int) -> tuple[list[str], list[str]]:
    rng = random.Random(seed)
    made = [(maker(rng), maker.__name__) for maker in makers for _ in range(n)]
    rng.shuffle(made)
    return [text for text, _ in made], [kind for _, kind in made]


@pytest.mark.parametrize("seed", range(3))
def test_three_templates_are_three_sources(seed: int) -> None:
    texts, kinds = mixed([letter, page, report], 40, seed)
    found = split(texts, SplitConfig(seed=seed))
    assert len(found.centroids) == 3
    assert purity(found.assign(texts), kinds) == 1.0


@pytest.mark.parametrize("maker", [letter, page, report, prose])
def test_one_template_is_one_source(maker: object) -> None:
    texts, _ = mixed([maker], 60, 0)
    found = split(texts, SplitConfig())
    assert set(found.assign(texts)) == {0}
    assert telling_terms(found, 0) == []


def test_new_documents_go_to_the_sources_there_are() -> None:
    texts, _ = mixed([letter, page], 30, 0)
    found = split(texts, SplitConfig())
    later, kinds = mixed([letter, page], 20, 1)
    assert purity(found.assign(later), kinds) == 1.0
    assert type(found).model_validate_json(found.model_dump_json()) == found


def test_terms_say_what_tells_a_source() -> None:
    texts, kinds = mixed([letter, page], 30, 0)
    found = split(texts, SplitConfig())
    of_letters = found.assign(texts)[kinds.index("letter")]
    assert {"subject:", "from:"} <= set(telling_terms(found, of_letters))


def test_a_given_number_is_kept() -> None:
    texts, _ = mixed([letter], 40, 0)
    assert len(split(texts, SplitConfig(sources=2)).centroids) == 2
    assert len(split(texts, SplitConfig(sources=1)).centroids) == 1


def test_a_few_strays_make_no_source() -> None:
    texts, _ = mixed([letter], 97, 0)
    strays, _ = mixed([page], 3, 0)
    assert len(split([*texts, *strays], SplitConfig()).centroids) == 1


@pytest.mark.parametrize("texts", [[], ["a"], ["", "", ""], ["a: b"] * 9], ids=len)
def test_folders_too_small_or_alike_are_one_source(texts: list[str]) -> None:
    assert split(texts, SplitConfig()).assign(texts) == [0] * len(texts)


def test_purity_by_hand() -> None:
    assert purity([0, 0, 0, 1, 1], ["a", "a", "b", "b", "b"]) == 0.8
    with pytest.raises(ValueError, match="no documents"):
        purity([], [])


@pytest.mark.shared
def test_factbook_templates_are_told_apart(shared_datasets) -> None:
    entries = read_factbook(shared_datasets / "factbook" / "factbook-json.tar.xz").values()
    texts = [make(entry) for make in (as_infobox, as_memorandum, as_card) for entry in entries]
    kinds = [name for name in "abc" for _ in entries]
    pairs = list(zip(texts, kinds, strict=True))
    random.Random(0).shuffle(pairs)
    found = split([text for text, _ in pairs], SplitConfig())
    assert len(found.centroids) == 3
    assert purity(found.assign([t for t, _ in pairs]), [k for _, k in pairs]) >= 0.99


@pytest.mark.shared
def test_factbook_and_packages_are_told_apart(shared_datasets) -> None:
    entries = read_factbook(shared_datasets / "factbook" / "factbook-json.tar.xz").values()
    packages = [document.text for document in read_packages()[0]]
    pairs = [(as_infobox(e), "page") for e in entries] + [
        (as_memorandum(e), "memo") for e in entries
    ]
    pairs += [(text, "package") for text in packages]
    random.Random(0).shuffle(pairs)
    found = split([text for text, _ in pairs], SplitConfig())
    assert purity(found.assign([t for t, _ in pairs]), [k for _, k in pairs]) >= 0.99
