"""Steps of FlexGen: what is in a recipe and what is not, blocks, and the rows they publish."""

import json

import pytest
import torch

from data.lake import Lake
from data.lake.catalog import Catalog
from data.lake.tables.flexgen import Generations, OffloadRuns, Prompts
from models.flexgen import calibration
from models.lm.config import ModelConfig
from models.lm.interface import Sampling
from tasks import flexgen as steps
from tasks import lm, settings
from tasks.flexgen import GenerationConfig, Memory, PromptConfig, source_of

TEXTS = ["Once upon a time", "Two", "Three little pigs went to", "4", "The fifth prompt is long."]
MODEL = "random:llama-tiny@1"


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    torch.set_num_threads(1)
    monkeypatch.setattr(calibration, "SECONDS", 0.0)


@pytest.fixture
def texts(tmp_path, lake_url):
    path = tmp_path / "prompts.jsonl"
    path.write_text("\n".join(json.dumps({"prompt": text}) for text in TEXTS))
    rows = steps.prompts.fn(source_of(PromptConfig(file=str(path), limit=None)))
    return Lake(lake_url).publish(Prompts, rows, recipe="1" * 64, fields={})


@pytest.fixture
def model(lake_url):
    from data.lake.tables.lm import LanguageModels

    config = ModelConfig(name=MODEL, backend="offload")
    rows = lm.language_models.fn(lm.Listing(config=config, source_sha256="", name=MODEL))
    return Lake(lake_url).publish(LanguageModels, rows, recipe="2" * 64, fields={})


def config(**update):
    return GenerationConfig(**({"sampling": Sampling(max_tokens=5), "requests": 2} | update))


def written(texts, model, chosen, memory=20 << 20):
    blocks = range(steps.blocks(texts, chosen))
    tables = [
        steps.generations.fn(texts, model, chosen, block, Memory(bytes=memory)) for block in blocks
    ]
    for table in tables:
        Generations.conform(table)
    return [row for table in tables for row in table.to_pylist()]


def what(rows):
    return {row["prompt_id"]: (row["completion"], row["tokens"], row["finish"]) for row in rows}


def test_every_prompt_is_completed_once_in_blocks_of_like_lengths(texts, model):
    rows = written(texts, model, config())
    assert sorted(row["prompt_id"] for row in rows) == [1, 2, 3, 4, 5]
    assert [row["block"] for row in rows] == [0, 0, 1, 1, 2]
    assert [len(row["prompt"]) for row in rows] == sorted(len(text) for text in TEXTS)
    assert len({row["job"] for row in rows}) == 1


def test_completions_equal_the_plain_model(texts, model):
    from models.lm.store import ModelStore
    from models.lm.transformers import TransformersModel

    folder = ModelStore(settings.models_dir()).open(MODEL)[1]
    plain = TransformersModel(folder, ModelConfig(name=MODEL, threads=1))
    wanted = plain.generate(TEXTS, Sampling(max_tokens=5))
    rows = what(written(texts, model, config()))
    for number, completion in enumerate(wanted, start=1):
        assert rows[number] == (completion.text, list(completion.tokens), completion.finish)


def test_memory_decides_how_and_not_what(texts, model):
    roomy = written(texts, model, config(requests=5), 64 << 20)
    tight = written(texts, model, config(requests=5), 1_300_000)
    assert what(roomy) == what(tight)
    assert [row["logprob"] for row in roomy] == pytest.approx([row["logprob"] for row in tight])


def test_blocks_decide_how_and_not_what(texts, model):
    assert what(written(texts, model, config(requests=1))) == what(
        written(texts, model, config(requests=5))
    )


def test_where_it_runs_is_no_part_of_the_recipe(texts, model, tmp_path):
    def recipe(**update):
        arguments = {
            "prompts": texts, "model": model, "config": config(), "block": 0,
            "memory": Memory(bytes=1 << 20),
        }  # fmt: skip
        return steps.generations.recipe(arguments | update).digest

    assert recipe() == recipe(memory=Memory(bytes=1 << 30, disk=str(tmp_path)))
    assert recipe() != recipe(block=1)
    assert recipe() != recipe(config=config(compress_weights=True))
    assert recipe() != recipe(config=config(sampling=Sampling(max_tokens=6)))


def test_a_file_is_known_by_what_is_in_it(tmp_path):
    sources = []
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        path = tmp_path / folder / "p.txt"
        path.write_text("one\ntwo\n")
        sources.append(source_of(PromptConfig(file=str(path))))
    one, other = (steps.prompts.recipe({"source": source}).digest for source in sources)
    assert one == other


def test_a_prompt_longer_than_the_context_is_named_or_cut(texts, model, tmp_path, lake_url):
    path = tmp_path / "long.txt"
    path.write_text("short\n" + "x" * 600 + "\n")
    rows = steps.prompts.fn(source_of(PromptConfig(file=str(path))))
    long = Lake(lake_url).publish(Prompts, rows, recipe="3" * 64, fields={})
    with pytest.raises(ValueError, match=r"long.txt, prompt 2, .* has 600 tokens .* for 507"):
        written(long, model, config())
    cut = written(long, model, config(truncate="left"))
    assert [row["prompt_tokens"] for row in cut] == [5, 507]


def test_too_little_memory_says_how_much_would_do(texts, model):
    with pytest.raises(ValueError, match=r"the memory has 0\.1 MB and would need .* MB"):
        written(texts, model, config(), 100_000)


def test_a_model_that_is_gone_is_told_with_its_cure(texts, model, tmp_path, monkeypatch):
    monkeypatch.setenv("HEADWATER_MODELS", str(tmp_path / "elsewhere"))
    with pytest.raises(ValueError, match=f"headwater models pull {MODEL}"):
        written(texts, model, config())


def test_what_it_took_is_told_by_tier(texts, model, lake_url):
    written(texts, model, config(requests=5), 1_300_000)
    rows = Catalog(Lake(lake_url)).rows("SELECT * FROM offload_runs ORDER BY tier")
    assert [row["tier"] for row in rows] == ["device", "disk", "host"]
    assert {row["requests"] for row in rows} == {5}
    assert sum(row["peak_bytes"] for row in rows if row["tier"] != "disk") <= 1_300_000
    assert all(row["predicted_tokens_per_s"] > 0 and row["tokens_per_s"] > 0 for row in rows)
    assert sum(row["weights_achieved"] for row in rows) == pytest.approx(100)
    assert set(rows[0]) == {c.name for c in OffloadRuns.columns}


def test_prompts_of_the_installed_packages_go_on(lake_url):
    rows = steps.prompts.fn(source_of(PromptConfig(limit=3))).to_pylist()
    assert len(rows) == 3
    assert all(row["prompt"].endswith("is used to") for row in rows)
