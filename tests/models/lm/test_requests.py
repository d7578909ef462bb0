from hypothesis import given
from hypothesis import strategies as st

from models.lm.interface import Completion, Sampling, Score
from models.lm.requests import completion_of, generation, score_of, scoring, to_text

floats = st.floats(max_value=0, allow_nan=False)


def test_requests_differ_in_all_that_can_change_the_answer():
    asked = [
        generation("p", Sampling()),
        generation("p ", Sampling()),
        generation("p", Sampling(max_tokens=65)),
        generation("p", Sampling(stop=("x",))),
        generation("p", Sampling(temperature=1.0)),
        generation("p", Sampling(temperature=1.0, seed=1)),
        generation("p", Sampling(temperature=1.0, top_p=0.5)),
        scoring("p", "c"),
        scoring("pc", ""),
    ]
    assert len({request.key("model") for request in asked}) == len(asked)
    assert asked[0].key("model") != asked[0].key("other")


def test_a_greedy_request_is_one_whatever_its_seed():
    assert generation("p", Sampling(seed=1, top_p=0.5)) == generation("p", Sampling())


@given(st.text(), st.lists(floats), st.integers(0), st.sampled_from(["stop", "length"]))
def test_a_completion_comes_back_as_it_was(text, logprobs, count, finish):
    tokens = tuple(range(len(logprobs)))
    completion = Completion(text, tokens, tuple(logprobs), count, len(tokens), finish)
    assert completion_of(to_text(completion)) == completion


@given(st.lists(st.tuples(floats, st.booleans())), st.integers(0))
def test_a_score_comes_back_as_it_was(told, count):
    score = Score(tuple(p for p, _ in told), tuple(g for _, g in told), count)
    assert score_of(to_text(score)) == score
