"""Which model is asked, and that nothing is asked of it twice."""

import json
import multiprocessing
import time
from pathlib import Path

import pyarrow as pa
import pytest
from pydantic import BaseModel

from data.lake import Lake, TableRef
from data.lake.catalog import Catalog
from data.lake.tables.lm import LanguageModels, LmRequests
from models.lm.config import ModelConfig, ServerConfig
from models.lm.interface import Completion, Sampling
from models.lm.replay import Recorder, Replay
from tasks import lm_requests
from tasks.lm import Listing, _listing, language_model, language_models, open_listed
from tasks.lm_requests import Cached, answered, merge_small, token_counts
from tasks.pipeline import pipeline
from tasks.planning import planning
from tasks.produces import produces
from tests.support import Measurements

TINY = ModelConfig(name="random:llama-tiny", threads=1)
SHORT = Sampling(max_tokens=3)
ECHO = {"weights_sha256": "e" * 64, "config": ModelConfig(name="echo").model_dump_json()}
processes = multiprocessing.get_context("forkserver")


@pytest.fixture
def lake(lake_url):
    return Lake(lake_url)


@pytest.fixture
def listed(lake):
    """A reference to the tiny model's row."""
    return row_of(lake, TINY)


def row_of(lake, config):
    return lake.publish(
        LanguageModels, language_models.fn(_listing(config)), recipe="a" * 64, fields={}
    )


class Echo:
    """Stands for a model where only the asking matters: says every prompt again."""

    name, context = "echo", 512

    def generate(self, prompts, sampling, progress=lambda done, total: None):
        return [Completion(prompt, (), (), len(prompt), 1, "length") for prompt in prompts]


class Counting:
    """A model that writes down what it is really asked."""

    def __init__(self, model):
        self.model, self.asked = model, []
        self.name, self.context = model.name, model.context

    def generate(self, prompts, sampling, progress=lambda done, total: None):
        self.asked += prompts
        return self.model.generate(prompts, sampling, progress)

    def score(self, pairs, progress=lambda done, total: None):
        self.asked += pairs
        return self.model.score(pairs, progress)


@pytest.fixture
def counting(listed, lake):
    """Opens the tiny model, counted and cached, anew."""
    [row] = listed.read().to_pylist()
    plain = open_listed(listed)._model

    def opened(flush_seconds=30.0, **changes):
        counted = Counting(plain)
        return counted, Cached(counted, row | changes, lake, flush_seconds)

    return opened


def test_a_row_says_what_the_model_is(listed):
    [row] = listed.read().to_pylist()
    assert (row["name"], row["backend"]) == ("random:llama-tiny", "transformers")
    assert (row["architecture"], row["layers"], row["width"]) == ("LlamaForCausalLM", 3, 48)
    assert (row["heads"], row["context"]) == (6, 512)
    assert ModelConfig.model_validate_json(row["config"]) == TINY


def test_a_servers_row_has_no_weights_but_an_identity(lake):
    server = ServerConfig(base_url="http://127.0.0.1:9/v1", context=1000)
    config = ModelConfig(name="served", backend="openai", server=server)
    rows = language_models.fn(Listing(config=config, source_sha256="", name="served"))
    [row] = LanguageModels.conform(rows).to_pylist()
    assert (row["source"], row["context"], row["parameters"]) == (server.base_url, 1000, None)
    assert len(row["weights_sha256"]) == 64
    assert "OPENAI_API_KEY" in row["config"], "the name of the variable, never its value"


def test_the_recipe_follows_the_weights_and_never_a_path(tmp_path, models_dir):
    from models.lm.random_weights import write_tiny

    def recipe(folder, seed):
        folder.mkdir(parents=True)
        write_tiny("llama-tiny", seed, folder)
        listing = _listing(TINY.model_copy(update={"name": str(folder)}))
        return language_models.recipe({"listing": listing})

    here, there = (recipe(tmp_path / place / "model", 0) for place in ("a", "b"))
    other = recipe(tmp_path / "c" / "model", 1)
    assert here.digest == there.digest
    assert other.changes_since(here.fields)
    assert all(str(tmp_path) not in value for value in here.fields.values())


def test_open_listed_finds_the_weights_wherever_they_lie(lake, tmp_path, models_dir):
    from models.lm.random_weights import write_tiny

    write_tiny("opt-tiny", 0, tmp_path)
    ref = row_of(lake, TINY.model_copy(update={"name": str(tmp_path)}))
    [row] = ref.read().to_pylist()
    assert row["name"] == tmp_path.name
    with open_listed(ref) as model:
        assert model.generate(["a"], SHORT)[0].prompt_tokens == 1


def test_weights_that_are_not_here_name_the_command(lake, listed, tmp_path, monkeypatch):
    monkeypatch.setenv("HEADWATER_MODELS", str(tmp_path))
    with pytest.raises(ValueError, match="headwater models pull random:llama-tiny"):
        open_listed(listed)


def test_nothing_is_asked_twice(counting):
    first, model = counting()
    with model:
        told = model.generate(["a", "b", "a"], SHORT), model.score([("a", "b"), ("a", "c")])
        assert sorted(first.asked[:2]) == ["a", "b"], "the same prompt is asked once"
        assert model.generate(["b"], SHORT) == told[0][1:2]
        assert len(first.asked) == 4, "what was answered before is known before it is flushed"
    second, model = counting()
    with model:
        assert model.generate(["a", "b", "a"], SHORT) == told[0]
        assert model.score([("a", "b"), ("a", "c")]) == told[1]
        assert second.asked == []
        model.generate(["a", "new"], SHORT)
        model.generate(["a"], Sampling(max_tokens=4))
        model.score([("a", "d")])
    assert second.asked == ["new", "a", ("a", "d")]
    assert (model.usage.requests, model.usage.hits) == (9, 6)


def test_a_cached_model_answers_as_the_plain_one(counting):
    counted, model = counting()
    prompts = ["", "é", "a longer prompt", "x" * 40]
    drawn = Sampling(max_tokens=5, temperature=1.0, seed=2)
    for sampling in (SHORT, drawn):
        assert model.generate(prompts, sampling) == counted.model.generate(prompts, sampling)


@pytest.mark.parametrize(
    "changes",
    [
        {"weights_sha256": "0" * 64},
        {"config": TINY.model_copy(update={"backend": "gguf"}).model_dump_json()},
        {"config": TINY.model_copy(update={"dtype": "bfloat16"}).model_dump_json()},
        {"config": TINY.model_copy(update={"truncate": "left"}).model_dump_json()},
    ],
    ids=["weights", "backend", "dtype", "truncate"],
)
def test_another_model_is_asked_anew(counting, changes):
    _, model = counting()
    with model:
        model.generate(["a"], SHORT)
    other, model = counting(**changes)
    with model:
        model.generate(["a"], SHORT)
    assert other.asked == ["a"]


def test_settings_that_change_no_answer_share_the_cache(counting):
    _, model = counting()
    with model:
        model.generate(["a"], SHORT)
    config = TINY.model_copy(update={"threads": 2, "batch_tokens": 9}).model_dump_json()
    other, model = counting(config=config)
    model.generate(["a"], SHORT)
    assert other.asked == []


def test_what_was_asked_stands_in_the_table_with_its_counts(counting, lake):
    _, model = counting()
    with model:
        model.generate(["abc", "é"], SHORT)
        model.score([("abc", "de")])
    rows = Catalog(lake).rows("SELECT * FROM lm_requests ORDER BY kind, prompt")
    assert [(r["kind"], r["prompt"]) for r in rows] == [
        ("generate", "abc"), ("generate", "é"), ("score", "abc"),
    ]  # fmt: skip
    assert [r["prompt_tokens"] for r in rows] == [3, 2, 3]
    assert [r["completion_tokens"] for r in rows][2] == 2
    assert json.loads(rows[0]["parameters"])["max_tokens"] == 3
    assert len({r["shard"] for r in rows}) == 1
    told = {r["kind"]: r for r in token_counts(lake)}
    assert (told["generate"]["requests"], told["score"]["requests"]) == (2, 1)
    assert told["generate"]["prompt_tokens"] == 5
    assert told["score"]["completion_tokens"] == 2


def test_answers_before_an_error_are_kept(counting, lake, monkeypatch):
    monkeypatch.setattr(lm_requests, "_FIRST_PORTION", 1)
    counted, model = counting()
    with pytest.raises(ValueError, match=r"room for 509"), model:
        model.generate(["good", "x" * 600], SHORT)
    assert counted.asked == ["x" * 600], "the longest first, so that the error comes soon"
    with pytest.raises(ValueError, match=r"room for 509"), model:
        _then_fails(model)
    assert lake.commits("lm_requests")[0].rows == 1


def _then_fails(model):
    model.generate(["good"], SHORT)
    model.generate(["x" * 600], SHORT)


def test_progress_counts_known_answers_at_once(counting):
    _, model = counting()
    model.generate(["a", "b"], SHORT)
    told: list[tuple[int, int]] = []
    model.generate(["a", "c", "b", "d"], SHORT, lambda *at: told.append(at))
    assert told[0] == (2, 4)
    assert told[-1] == (4, 4)


def test_many_small_shards_become_one_and_nothing_is_lost(counting, lake, monkeypatch):
    monkeypatch.setattr(lm_requests, "_MOST_SMALL", 6)
    prompts = [str(i) for i in range(5)]
    for prompt in prompts:
        _, model = counting()
        with model:
            model.generate([prompt], SHORT)
    assert len(lake.commits("lm_requests")) == 5
    before = Catalog(lake)  # a reader from before the merger
    counts = token_counts(lake)
    _, model = counting()
    with model:
        model.generate(["last"], SHORT)
    [merged] = lake.commits("lm_requests")
    assert merged.rows == 6
    assert before.rows("SELECT count(*) AS n FROM lm_requests") == [{"n": 5}]
    assert token_counts(lake)[0]["requests"] == counts[0]["requests"] + 1
    counted, model = counting()
    model.generate([*prompts, "last"], SHORT)
    assert counted.asked == []
    assert [damage for _, damage in lake.verify() if damage] == []


def test_a_merger_killed_half_way_counts_nothing_twice(counting, lake, monkeypatch):
    monkeypatch.setattr(lm_requests, "_MOST_SMALL", 2)
    for prompt in "ab":
        _, model = counting()
        model.generate([prompt], SHORT)
        model.flush()
    monkeypatch.setattr(Lake, "withdraw", lambda *_: pytest.fail("killed here"))
    with pytest.raises(pytest.fail.Exception):
        merge_small(lake)
    assert len(lake.commits("lm_requests")) == 3
    assert token_counts(lake)[0]["requests"] == 2
    monkeypatch.undo()
    monkeypatch.setattr(lm_requests, "_MOST_SMALL", 2)
    merge_small(lake)
    [merged] = lake.commits("lm_requests")
    assert merged.rows == 2


def test_large_shards_are_left_as_they_are(counting, lake, monkeypatch):
    monkeypatch.setattr(lm_requests, "_MOST_SMALL", 2)
    monkeypatch.setattr(lm_requests, "_SMALL_ROWS", 2)
    for prompts in (["a", "b"], ["c", "d"], ["e"], ["f"]):
        _, model = counting()
        model.generate(prompts, SHORT)
        model.flush()
    merge_small(lake)
    assert sorted(c.rows for c in lake.commits("lm_requests")) == [2, 2, 2]


def test_a_damaged_shard_costs_its_answers_and_no_more(counting, lake, caplog):
    for prompt in "ab":
        _, model = counting()
        model.generate([prompt], SHORT)
        model.flush()
    [first, _] = lake.commits("lm_requests")
    Path(lake.paths(first)[0]).write_bytes(b"not parquet")
    counted, model = counting()
    model.generate(["a", "b"], SHORT)
    assert counted.asked == ["a"]
    assert "asked again" in caplog.text
    assert len(lake.commits("lm_requests")) == 1


def test_looking_up_among_many_shards_is_quick(lake):
    schema = LmRequests.arrow_schema()
    for shard in range(60):
        rows = [
            {
                "shard": str(shard), "key": f"{shard:04d}{i:04d}", "model": "m",
                "weights_sha256": "w", "kind": "generate", "prompt": "p" * 50, "parameters": "{}",
                "answer": f"{shard} {i}", "prompt_tokens": 1, "completion_tokens": 1,
                "seconds": 0.0, "system": "", "step": "", "run_id": "", "asked_at": 0,
            }
            for i in range(200)
        ]  # fmt: skip
        lake.publish(
            LmRequests, pa.Table.from_pylist(rows, schema=schema), recipe=f"{shard:064d}", fields={}
        )
    began = time.monotonic()
    found = answered(lake, [f"{shard:04d}0007" for shard in range(0, 60, 2)] + ["none"])
    assert time.monotonic() - began < 2
    assert found == {f"{shard:04d}0007": f"{shard} 7" for shard in range(0, 60, 2)}


def ask_until_killed(lake_url):
    lm_requests._FIRST_PORTION = 2
    with Cached(Echo(), ECHO, Lake(lake_url), flush_seconds=0.0) as model:
        for start in range(0, 1_000_000, 10):
            model.generate([f"prompt {i}" for i in range(start, start + 10)], SHORT)


def test_what_was_flushed_before_a_kill_is_not_asked_again(lake, lake_url):
    child = processes.Process(target=ask_until_killed, args=(lake_url,))
    child.start()
    while len(lake.commits("lm_requests")) < 12:
        time.sleep(0.02)
    child.kill()
    child.join()
    kept = {row["prompt"] for row in Catalog(lake).rows("SELECT prompt FROM lm_requests")}
    assert len(kept) >= 24
    counted = Counting(Echo())
    prompts = [f"prompt {i}" for i in range(len(kept) + 20)]
    Cached(counted, ECHO, lake).generate(prompts, SHORT)
    assert set(counted.asked) == set(prompts) - kept


def test_a_recording_of_a_cached_model_replays(counting, tmp_path):
    _, model = counting()
    told = Recorder(model, tmp_path / "answers.jsonl").generate(["a", "b"], SHORT)
    assert Replay(tmp_path / "answers.jsonl").generate(["b", "a"], SHORT) == told[::-1]


class AskConfig(BaseModel, frozen=True, extra="forbid"):
    """A model and what to ask it."""

    model: ModelConfig = TINY
    prompts: tuple[str, ...] = ("a", "b")


PROFILES = {"quick": AskConfig()}


@produces("measurements", version=1, contract=Measurements)
def lengths(model: TableRef, prompts: list[str]) -> pa.Table:
    """How long the answers are."""
    with open_listed(model) as lm:
        answers = lm.generate(prompts, SHORT)
    days = list(range(1, len(answers) + 1))
    counts = [float(answer.completion_tokens) for answer in answers]
    return pa.table({"station": [lm.name] * len(answers), "day": days, "celsius": counts})


@pipeline("ask")
def ask(config: AskConfig = PROFILES["quick"]) -> TableRef:
    """A model is asked."""
    return lengths(language_model(config.model), list(config.prompts))


@pytest.mark.flow
@pytest.mark.usefixtures("prefect_server")
def test_a_flow_asks_a_model_and_its_requests_know_the_flow(lake, models_dir):
    assert ask().rows == 2
    [row] = token_counts(lake)
    assert (row["system"], row["step"], row["requests"]) == ("ask", "measurements", 2)
    assert ask(AskConfig(prompts=("a", "b", "c"))).rows == 3
    assert token_counts(lake)[0]["requests"] == 3, "only what is new is asked"
    with planning() as lines:
        ask(AskConfig())
    assert [(line.table, line.hit) for line in lines] == [
        ("language_models", True), ("measurements", True),
    ]  # fmt: skip


def test_a_plan_gets_no_model(tmp_path, monkeypatch, lake_url):
    monkeypatch.setenv("HEADWATER_MODELS", str(tmp_path / "models"))
    with planning() as lines:
        language_model(TINY)
        language_model(ModelConfig(name="org/not-here"))
    assert [line.hit for line in lines] == [False, False]
    assert not (tmp_path / "models").exists()


def test_a_wrong_name_is_told_before_anything_runs(lake_url):
    with pytest.raises(ValueError, match="did you mean smollm2-135m-instruct"):
        language_model(ModelConfig(name="smollm2"))
