"""Majority vote: buckets, abstentions, ties, posterior; one cell per document and attribute."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.evaporate.corpus import Document
from models.evaporate.functions import Answer, BetweenFunction, LabelFunction
from models.evaporate.voting import Ensemble, extract, majority_vote


def answer(value: str, start: int = 0) -> Answer:
    return Answer(value, start, start + len(value))


RED, BLUE = answer("red"), answer("blue", 9)


@pytest.mark.parametrize(
    ("answers", "votes", "abstain", "outcome"),
    [
        pytest.param([RED, BLUE, BLUE], [1, 1, 1], True, (BLUE, 2 / 3, (1, 2)), id="majority"),
        pytest.param([RED, BLUE], [1, 1], True, (RED, 1 / 2, (0,)), id="tie-to-the-best"),
        pytest.param(
            [BLUE, RED, RED, BLUE], [1] * 4, True, (BLUE, 1 / 2, (0, 3)), id="tie-of-pairs"
        ),
        pytest.param([RED, BLUE], [1, 2], True, (BLUE, 2 / 3, (1,)), id="twins-count"),
        pytest.param([None, None, RED], [1] * 3, True, (RED, 1.0, (2,)), id="empty-abstains"),
        pytest.param([None, None, RED], [1] * 3, False, (None, 2 / 3, (0, 1)), id="empty-votes"),
        pytest.param(
            [RED, None], [1, 1], False, (RED, 1 / 2, (0,)), id="tie-with-empty-value-first"
        ),
        pytest.param(
            [None, RED], [1, 1], False, (None, 1 / 2, (0,)), id="tie-with-empty-empty-first"
        ),
        pytest.param([None, None], [1, 1], True, (None, 0.0, ()), id="all-abstain"),
        pytest.param([], [], False, (None, 0.0, ()), id="no-functions"),
    ],
)
def test_majority_vote(
    answers: list[Answer | None],
    votes: list[int],
    abstain: bool,
    outcome: tuple[Answer | None, float, tuple[int, ...]],
) -> None:
    assert majority_vote(answers, votes, abstain) == outcome


def test_spellings_of_one_value_vote_together_and_the_best_is_kept() -> None:
    vote = majority_vote([BLUE, answer("Red."), answer("red")], [1, 1, 1], abstain=True)
    assert vote.answer == answer("Red.")
    assert vote.voters == (1, 2)


@given(st.lists(st.none() | st.sampled_from([RED, BLUE]), max_size=8), st.booleans())
def test_posterior_is_a_share_and_voters_agree(answers: list[Answer | None], abstain: bool) -> None:
    vote = majority_vote(answers, [1] * len(answers), abstain)
    assert 0.0 <= vote.posterior <= 1.0
    assert (vote.posterior == 0.0) == (not vote.voters)
    assert all(answers[i] == vote.answer for i in vote.voters)


def test_every_document_and_attribute_has_a_cell() -> None:
    key = LabelFunction(labels=("key",), extent="line")
    near = BetweenFunction(prefix="Key: ", suffix=None)
    ensembles = {"Key": Ensemble([key, near], [3, 1], abstain=True), "Fax": Ensemble([], [], True)}
    documents = [Document("a", "Key: red\r\n"), Document("b", ""), Document("c", "Key:blue")]
    seen: list[tuple[int, int]] = []
    cells = extract(documents, ensembles, progress=lambda *step: seen.append(step))
    assert [(cell.doc_id, cell.attribute) for cell in cells] == [
        (doc_id, attribute) for doc_id in "abc" for attribute in ("Key", "Fax")
    ]
    assert [cell.answer for cell in cells[::2]] == [("red", 5, 8), None, ("blue", 4, 8)]
    assert [cell.posterior for cell in cells[::2]] == [1.0, 0.0, 1.0]
    assert cells[0].functions == (key.function_id, near.function_id)
    assert cells[4].functions == (key.function_id,)
    assert all(cell[2:] == (None, 0.0, ()) for cell in cells[1::2])
    assert seen[-1] == (3, 3)
