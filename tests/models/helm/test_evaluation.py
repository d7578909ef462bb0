"""Scenarios, prompts, perturbations and metrics; HELM's own vectors where there are any."""

import json

import pytest

from models.helm.adapters import asks
from models.helm.evaluation import answer, corpus_stats, per_instance_stats, run_spec
from models.helm.instances import Instance, Reference
from models.helm.metrics import (
    answer_scores,
    bias,
    choice_scores,
    f1_score,
    macro_f1,
    quasi_exact_match,
    toxic,
)
from models.helm.perturbations import CHANGES, perturbed
from models.helm.scenarios import (
    capitals,
    classification,
    dyck,
    language_modelling,
    open_ended,
    read_jsonl,
    recall,
    synthetic_reasoning,
)
from models.lm.interface import Completion, Score

CAPITALS = [(f"Land {c}", f"{c}ville") for c in "ABCDEFGHIJ"]


class Parrot:
    """Answers every prompt with what follows its table, or not at all."""

    name, context = "parrot", 10_000

    def __init__(self, answers=None):
        self.answers = answers or {}

    def generate(self, prompts, sampling, progress=lambda done, total: None):
        texts = [self.answers.get(prompt, " no") for prompt in prompts]
        return [Completion(text, (1,), (-0.5,), 9, 1, "stop") for text in texts]

    def score(self, pairs, progress=lambda done, total: None):
        return [Score((-0.1 * len(after),) * 2, (True, True), 5) for _, after in pairs]


@pytest.mark.parametrize(
    ("gold", "told", "score"),
    [("The Cat!", "cat", 1), ("c d", "d c", 0), ("x", "", 0), ("", "", 0), ("10", "10.", 1)],
)
def test_quasi_exact_match_forgives_case_articles_and_punctuation(gold, told, score):
    assert quasi_exact_match(gold, told) == score


def test_an_answer_counts_against_the_best_reference():
    found = answer_scores(["red car", "blue"], "Blue")
    assert (found["exact_match"], found["quasi_exact_match"]) == (0, 1)
    assert f1_score("the red car", "a red bike") == 0.5
    assert set(answer_scores([], "x").values()) == {0.0}


def test_equal_choices_share_the_point():
    found = choice_scores([(-2.0, 2), (-3.0, 3), (-9.0, 1)], [True, False, False])
    assert found["exact_match"] == 0.5
    assert 0 < found["max_prob"] < 0.5


def test_f1_over_labels():
    macro, micro = macro_f1([("spam", "spam"), ("ham", "spam"), ("ham", "ham"), ("ham", "eggs")])
    assert macro == pytest.approx((2 / 3 + 2 / 4) / 2)
    assert micro == pytest.approx(2 * 2 / (3 + 4))


def test_bias_is_the_distance_to_equal_shares_and_none_without_counts():
    name = "bias_metric:mode=representation,demographic_category=gender"
    assert bias(["nothing here"])[name] is None
    assert bias(["he he he"])[name] == pytest.approx(0.5)
    both = bias(["he is a nurse", "she is a nurse"])
    assert both[name] < 0.1
    target = "bias_metric:mode=associations,demographic_category=gender,target_category=profession"
    assert bias(["he is a nurse"])[target] == pytest.approx(0.5)
    assert (toxic("You idiot!"), toxic("You are kind.")) == (1.0, 0.0)


@pytest.mark.parametrize("made", [synthetic_reasoning, dyck, recall], ids=lambda f: f.__name__)
def test_made_scenarios_are_reproducible_and_answerable(made):
    scenario = made(6, seed=3)
    assert scenario == made(6, seed=3)
    assert scenario != made(6, seed=4)
    assert len(scenario.test) == 6
    for instance in scenario.test:
        [answer_] = instance.correct
        if made is recall:
            key = instance.text.rsplit(" ", 1)[1].rstrip("?")
            assert f"{key} is {answer_}" in instance.text
        if made is dyck:
            pairs = {"(": ")", "[": "]", "{": "}", "<": ">"}
            open_ = []
            for bracket in f"{instance.text} {answer_}".split():
                if bracket in pairs:
                    open_.append(pairs[bracket])
                else:
                    assert open_.pop() == bracket
            assert open_ == []


def test_prompts_show_examples_and_leave_the_answer_open():
    scenario = capitals(CAPITALS, 3, 0, separate=False)
    [first, *_] = asks(scenario, 0)
    assert first.prompt.endswith("Answer:")
    assert first.prompt.count("Answer: ") == 3
    assert "A. " in first.prompt
    assert first.output_mapping["A"] in first.prompt


def test_perturbed_copies_that_changed_nothing_are_left_out():
    plain = Instance("id1", "1234", [Reference("a", correct=True)])
    assert [i.perturbation.name for i in perturbed([plain], 0)[1:]] == []
    spoken = Instance("id2", "He said that John is not there.", plain.references)
    found = {i.perturbation.name: i.text for i in perturbed([spoken], 0)[1:]}
    assert found["gender"] == "She said that John is not there."
    assert found["person_name"] == "He said that Malik is not there."
    assert "dat" in found["dialect"]
    assert found["mild_mix"] == found["mild_mix"].lower()
    assert "isn't" in found["mild_mix"] or "ins't" in found["mild_mix"]
    assert len(found) == len(CHANGES)


def test_an_evaluation_is_helms_files():
    scenario = classification("sms", {}, [("win now", "spam"), ("see you", "ham")] * 8,
                              ("ham", "spam"), n=4, seed=0)  # fmt: skip
    right = {ask.prompt: f" {ask.instance.correct[0]}" for ask in asks(scenario, 0)}
    answers = answer(scenario, Parrot(right), 0)
    entries = per_instance_stats(answers, scenario, lambda ask: 0.5)
    assert json.loads(json.dumps(entries)) == entries
    plain = [entry for entry in entries if "perturbation" not in entry]
    values = {s["name"]["name"]: s["sum"] for s in plain[0]["stats"]}
    assert values["exact_match"] == 1.0
    assert values["inference_runtime"] == 0.5
    assert values["inference_idealized_runtime"] == pytest.approx(0.5)
    corpus = {s["name"]["name"]: s["sum"] for s in corpus_stats(answers, scenario)}
    assert corpus == {
        "num_instances": 4.0, "classification_macro_f1": 1.0, "classification_micro_f1": 1.0,
    }  # fmt: skip
    assert run_spec(scenario, "org/m")["name"] == "sms:model=org_m"


@pytest.mark.parametrize(
    ("scenario", "metric"),
    [
        (capitals(CAPITALS, 2, 0, separate=True), "exact_match"),
        (language_modelling("wiki", [" ".join(map(str, range(80)))] * 3, 2, 0), "logprob"),
        (open_ended(2, 0), "toxic_frac"),
    ],
    ids=["separate", "language", "open"],
)
def test_every_method_has_its_metrics(scenario, metric):
    entries = per_instance_stats(answer(scenario, Parrot(), 0), scenario, lambda ask: None)
    names = {stat["name"]["name"] for entry in entries for stat in entry["stats"]}
    assert metric in names
    assert "inference_runtime" not in names  # nobody knows what it took


def test_a_users_scenario_is_checked_line_by_line(tmp_path):
    path = tmp_path / "mine.jsonl"
    lines = [{"input": f"q{i}", "references": ["x", "y"], "correct": i % 2} for i in range(6)]
    path.write_text("\n".join(map(json.dumps, lines)))
    scenario = read_jsonl(path, 10)
    assert (scenario.name, len(scenario.test), len(scenario.train)) == ("mine", 3, 3)
    assert scenario.adaptation.method == "multiple_choice_joint"
    path.write_text('{"input": "q"}\n')
    with pytest.raises(ValueError, match="line 1"):
        read_jsonl(path, 10)
    path.write_text('{"input": "q", "answer": "a"}\n')
    with pytest.raises(ValueError, match="1 lines"):
        read_jsonl(path, 10)
