"""Tokens are those of transformers whatever the policy; bytes are those of the formulas."""

import copy
import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
import torch

from models.flexgen.bucketing import blocks
from models.flexgen.config import Budgets, Policy
from models.flexgen.counters import Route, expected_traffic, paper_traffic
from models.flexgen.engine import Engine
from models.flexgen.quantization import dequantize_reference, quantize
from models.flexgen.tiers import MemoryBudgetError

KINDS = ("opt", "llama", "qwen2", "gpt2", "neox")
ALL_HOST = {"wg": 0, "wc": 100, "cg": 0, "cc": 100, "hg": 0, "hc": 100}
THIRDS = {"wg": 30, "wc": 30, "wd": 40, "cg": 30, "cc": 30, "cd": 40, "hg": 30, "hc": 30, "hd": 40}
ON_DISK = {"wg": 0, "wd": 100, "cg": 0, "cd": 100, "hg": 0, "hd": 100}
POLICIES = {
    "all-device": {},
    "weights-host": {"wg": 0, "wc": 100},
    "cache-host": {"cg": 0, "cc": 100},
    "both-host": {"wg": 0, "wc": 100, "cg": 0, "cc": 100},
    "all-host": ALL_HOST,
    "weights-disk": {"wg": 0, "wd": 100},
    "cache-disk": {"cg": 0, "cd": 100},
    "weights-halves": {"wg": 50, "wc": 50},
    "cache-halves": {"cg": 50, "cc": 50},
    "two-batches": {"gbs": 4, "nb": 2},
    "five-batches-thirds": {"gbs": 2, "nb": 5, **THIRDS},
    "thirds-in-turn": {"gbs": 2, "nb": 5, "overlap": False, **THIRDS},
    "disk-one-batch": ON_DISK,
    "disk-in-turn": {"overlap": False, **ON_DISK},
    "host-attention": {"gbs": 3, "nb": 2, "host_attention": True, **THIRDS},
    "all-positions-sparse": {"sparsity": 1.0},
}


def engine(weights, folder, device=1 << 26, host=1 << 26, **policy):
    budgets = Budgets(device, host, folder / "disk")
    return Engine(weights, Policy(**{"gbs": 4, **policy}), budgets)


def largest_difference(some, others):
    pairs = zip(some, others, strict=True)
    return max(abs(a - b) for x, y in pairs for a, b in zip(x, y, strict=True))


@pytest.mark.parametrize("name", POLICIES)
@pytest.mark.parametrize("kind", KINDS)
def test_greedy_tokens_are_those_of_transformers(kind, name, tiny, tmp_path):
    model = tiny(kind)
    with engine(model.weights, tmp_path, **POLICIES[name]) as run:
        made = run.generate(model.prompts, 7)
    assert made.tokens == model.tokens
    assert largest_difference(made.logprobs, model.logprobs) < 3e-5


@pytest.mark.parametrize("n", [1, 2])
@pytest.mark.parametrize("nb", [1, 2, 5])
def test_one_and_two_tokens(n, nb, tiny, tmp_path):
    model = tiny("opt")
    with engine(model.weights, tmp_path, gbs=3, nb=nb, **THIRDS) as run:
        made = run.generate(model.prompts, n)
    assert made.tokens == [tokens[:n] for tokens in model.tokens]


@pytest.mark.parametrize("policy", [{}, THIRDS], ids=["device", "thirds"])
@pytest.mark.parametrize("kind", KINDS)
def test_scores_and_states_are_those_of_transformers(kind, policy, tiny, tmp_path):
    model = tiny(kind)
    with engine(model.weights, tmp_path, gbs=3, nb=2, **policy) as run:
        scores = run.score([(prompt[:2], prompt[2:]) for prompt in model.prompts])
        states = {layer: run.states(model.prompts, layer) for layer in (0, 2, 3, -1)}
    for number, prompt in enumerate(model.prompts):
        with torch.no_grad():
            out = model.model(torch.tensor([prompt]), output_hidden_states=True)
        logprobs = out.logits[0, 1:-1].log_softmax(-1)  # of tokens 2 and on
        told, greedy = scores[number]
        after = torch.tensor(prompt[2:])
        torch.testing.assert_close(
            torch.tensor(told), logprobs.gather(1, after[:, None])[:, 0], atol=3e-5, rtol=0
        )
        assert greedy == (logprobs.argmax(-1) == after).tolist()
        for layer, found in states.items():
            expected = out.hidden_states[layer][0]
            torch.testing.assert_close(found[number], expected, atol=1e-4, rtol=1e-4)


def block_traffic(model, run, n):
    """The formulas' bytes, over all blocks."""
    total = {}
    policy = run.policy
    for block in blocks([len(prompt) for prompt in model.prompts], policy.gbs, policy.nb):
        batches = [(len(b), max(len(model.prompts[i]) for i in b)) for b in block]
        formula = expected_traffic(model.weights.shape, policy, batches, n, run.weight_bytes)
        for route, size in formula.items():
            total[route] = total.get(route, 0) + size
    return total


@pytest.mark.parametrize("n", [1, 2, 6])
@pytest.mark.parametrize(
    "policy",
    [
        ON_DISK,
        ALL_HOST,
        THIRDS,
        {"host_attention": True, **THIRDS},
        {"compress_weights": True, "compress_cache": True, **THIRDS},
        {"compress_cache": True, "group": 4, **THIRDS},
        {"compress_cache": True, "group": 4, "host_attention": True, **THIRDS},
        {"compute": "bfloat16", **THIRDS},
    ],
    ids=[
        "disk",
        "host",
        "thirds",
        "host-attention",
        "4-bit",
        "4-bit-groups",
        "4-bit-on-host",
        "bfloat16",
    ],
)
@pytest.mark.parametrize("kind", ["opt", "llama"])
def test_counted_bytes_are_the_formulas(kind, policy, n, tiny, tmp_path):
    model = tiny(kind)
    with engine(model.weights, tmp_path, gbs=3, nb=2, **policy) as run:
        made = run.generate(model.prompts, n)
        expected = block_traffic(model, run, n)
    counted = {r: size for r, size in made.traffic.items() if size and r.what != "embeddings"}
    assert counted == expected


def test_the_papers_formulas_up_to_one_position(tiny, tmp_path):
    """fp16 as in the paper; its cache formula counts one position more than is moved."""
    shape = tiny("opt").weights.shape
    s, n, count = 9, 6, 4
    policy = Policy(compute="bfloat16", cg=0, cc=100, hg=0, hc=100, gbs=count)
    moved = expected_traffic(shape, policy, [(count, s)], n, {})
    paper = paper_traffic(shape, count, s, n)
    both_ways = {
        what: moved[Route("host", "device", what)] + moved[Route("device", "host", what)]
        for what in ("activations", "cache")
    }
    assert both_ways["activations"] == paper["activations"]
    position = 4 * shape.width * count * shape.layers
    assert both_ways["cache"] == paper["cache"] - position


def test_weights_are_read_once_a_token_for_the_whole_block(tiny, tmp_path):
    model = tiny("opt")
    read = {}
    for nb in (1, 3):
        with engine(model.weights, tmp_path, gbs=4, nb=nb, wg=0, wd=100) as run:
            read[nb] = run.generate(model.prompts, 5).traffic[Route("disk", "device", "weights")]
    assert read[1] == 3 * read[3]


def test_a_sequence_ends_at_its_end_token_and_a_block_with_its_last(tiny, tmp_path):
    model = tiny("llama")
    ends = frozenset(tokens[2] for tokens in model.tokens)
    with engine(model.weights, tmp_path, gbs=4, nb=3, wg=0, wd=100) as run:
        made = run.generate(model.prompts, 7, ends)
        whole = run.generate(model.prompts, 7)
    for got, all_tokens in zip(made.tokens, model.tokens, strict=True):
        stop = next(i for i, token in enumerate(all_tokens) if token in ends)
        assert got == all_tokens[: stop + 1]
    assert sum(made.traffic.values()) < sum(whole.traffic.values())


def test_drawn_tokens_go_through_the_drawer(tiny, tmp_path):
    model = tiny("gpt2")

    class Second:
        """Takes the second likeliest token."""

        def draw(self, logits, rows):
            top = logits.log_softmax(-1).topk(2, dim=-1)
            return top.indices[:, 1].tolist(), top.values[:, 1].tolist()

    with engine(model.weights, tmp_path) as run:
        made = run.generate(model.prompts[:1], 1, drawing=lambda prompts: Second())
    with torch.no_grad():
        logits = model.model(torch.tensor(model.prompts[:1])).logits[0, -1]
    assert made.tokens == [[logits.topk(2).indices[1].item()]]


def test_a_tier_too_small_is_refused_with_what_it_takes(tiny, tmp_path):
    model = tiny("opt")
    with pytest.raises(
        MemoryBudgetError, match=r"device budget of 10,000 bytes .* it takes [\d,]+"
    ):
        engine(model.weights, tmp_path, device=10_000)
    with pytest.raises(MemoryBudgetError, match="host budget"):
        engine(model.weights, tmp_path, host=10_000, wg=0, wc=100)


def test_the_size_in_the_refusal_is_enough(tiny, tmp_path):
    """Raising the budget to what each refusal asks for ends in a run, with its peak within."""
    model = tiny("llama")
    device, refusals = 1000, 0
    while True:
        try:
            with engine(model.weights, tmp_path, device=device, wg=0, wd=100) as run:
                made = run.generate(model.prompts, 3)
            break
        except MemoryBudgetError as error:
            device = int(re.search(r"takes ([\d,]+)", str(error))[1].replace(",", ""))
            refusals += 1
    assert 1 <= refusals < 20
    assert made.peak["device"] <= device
    assert made.tokens == [tokens[:3] for tokens in model.tokens]


def test_prompts_that_cannot_be_are_refused(tiny, tmp_path):
    model = tiny("opt")
    with engine(model.weights, tmp_path) as run:
        with pytest.raises(ValueError, match="prompt 1 is empty"):
            run.generate([[3], []], 2)
        with pytest.raises(
            ValueError, match=r"prompt 0 has 95 tokens and 2 new ones.*context of 96"
        ):
            run.generate([[3] * 95], 2)
        with pytest.raises(ValueError, match="layer 9 is not one of"):
            run.states([[3]], 9)


def test_padding_is_reported(tiny, tmp_path):
    model = tiny("opt")
    with engine(model.weights, tmp_path, gbs=2) as run:
        made = run.generate([[5] * 4, [5] * 8, [5] * 4, [5] * 7], 2)
    assert (made.prompt_tokens, made.padded_tokens) == (23, 24)
    assert made.padding_efficiency == pytest.approx(23 / 24)
    assert made.blocks == 2


def test_scratch_files_are_gone_after_a_run(tiny, tmp_path):
    model = tiny("opt")
    with engine(model.weights, tmp_path, **ON_DISK) as run:
        run.generate(model.prompts, 3)
        assert list((tmp_path / "disk").iterdir()) == []


@pytest.mark.parametrize("policy", [{}, THIRDS, ALL_HOST], ids=["device", "thirds", "host"])
@pytest.mark.parametrize(("kind", "group"), [("opt", 64), ("llama", 32)])
def test_4_bit_weights_are_the_model_with_rounded_matrices(kind, group, policy, tiny, tmp_path):
    """All but the embeddings and the output matrix."""
    model = tiny(kind)
    rounded = copy.deepcopy(model.model)
    names = {
        name for layer in range(3) for name in model.weights.adapter.layer_names(layer).values()
    }
    with torch.no_grad():
        for name, parameter in rounded.named_parameters():
            if parameter.ndim > 1 and name in names:
                parameter.copy_(dequantize_reference(quantize(parameter, group)))
    asked = {"compress_weights": True, "group": group}
    with engine(model.weights, tmp_path, gbs=3, nb=2, **asked, **policy) as run:
        scores = run.score([(prompt[:2], prompt[2:]) for prompt in model.prompts])
    for (told, _), prompt in zip(scores, model.prompts, strict=True):
        with torch.no_grad():
            logprobs = rounded(torch.tensor([prompt])).logits[0, 1:-1].log_softmax(-1)
        expected = logprobs.gather(1, torch.tensor(prompt[2:])[:, None])[:, 0]
        torch.testing.assert_close(torch.tensor(told), expected, atol=1e-4, rtol=0)


@pytest.mark.parametrize(
    "change", [{"sparsity": 0.3}, {"compress_cache": True, "group": 4}], ids=["sparse", "4-bit"]
)
@pytest.mark.parametrize("kind", ["opt", "llama"])
def test_lossy_caches_lose_the_same_in_every_tier(kind, change, tiny, tmp_path):
    """The simulation is the cache in memory, one thing after another; tiers change nothing."""
    model = tiny(kind)
    made = {}
    for name, policy in {
        "memory": {"overlap": False, "nb": 1},
        "thirds": THIRDS,
        "disk": ON_DISK,
    }.items():
        with engine(model.weights, tmp_path, **{"gbs": 3, "nb": 2} | policy, **change) as run:
            made[name] = run.generate(model.prompts, 7)
    for name in ("thirds", "disk"):
        assert made[name].tokens == made["memory"].tokens
        assert largest_difference(made[name].logprobs, made["memory"].logprobs) < 1e-4
    assert largest_difference(made["disk"].logprobs, model.logprobs) > 1e-3, "it is lossy"
    first = [row[:1] for row in made["disk"].logprobs], [row[:1] for row in model.logprobs]
    assert largest_difference(*first) < 3e-5, "the prefill is dense and exact"


@pytest.mark.parametrize("group", [2, 4, 64])
def test_scores_with_a_compressed_cache_are_those_of_decoding(group, tiny, tmp_path):
    """From one token on, so that every position of the text was decoded."""
    model = tiny("llama")
    prompts = [[3], [50], [120]]
    with engine(model.weights, tmp_path, compress_cache=True, group=group) as run:
        made = run.generate(prompts, 6)
        scores = run.score(list(zip(prompts, made.tokens, strict=True)))
    assert largest_difference([told for told, _ in scores], made.logprobs) < 1e-4
    assert all(all(greedy) for _, greedy in scores)


def test_a_compressed_cache_rounds_nothing_before_a_group_is_full(tiny, tmp_path):
    model = tiny("llama")
    with engine(model.weights, tmp_path, compress_cache=True, **ON_DISK) as run:
        made = run.generate(model.prompts, 7)
    assert made.tokens == model.tokens
    assert largest_difference(made.logprobs, model.logprobs) < 3e-5


def test_padding_does_not_stretch_the_groups_of_a_compressed_cache(tiny, tmp_path):
    """Prompts in one batch, padded by whole groups at most, against each prompt alone."""
    model = tiny("llama")
    prompts = [[7] * 4 + prompt for prompt in model.prompts if len(prompt) in (5, 9)]
    held = {"compress_cache": True, "group": 4}
    with engine(model.weights, tmp_path, gbs=16, **held) as run:
        together = run.generate(prompts, 3)
    with engine(model.weights, tmp_path, gbs=1, **held) as run:
        alone = run.generate(prompts, 3)
    assert together.padded_tokens > together.prompt_tokens
    assert largest_difference(together.logprobs, alone.logprobs) < 1e-4


def test_a_refused_run_gives_its_memory_back(tiny, tmp_path):
    model = tiny("opt")
    halves = {"nb": 4, "cg": 50, "cc": 50, "hg": 0, "hc": 100}
    with engine(model.weights, tmp_path, host=400_000, **halves) as run:
        before = {tier: run.memory.arena(tier).used for tier in ("device", "host", "disk")}
        with pytest.raises(MemoryBudgetError):
            run.generate([[3] * 40] * 16, 30)
        assert {t: run.memory.arena(t).used for t in before} == before
        assert run.generate(model.prompts, 7).tokens == model.tokens


MEASURED = """
    import resource, sys
    from pathlib import Path
    import torch
    from models.flexgen.config import Budgets, Policy
    from models.flexgen.engine import Engine
    from models.flexgen.weights import WeightFolder

    torch.set_num_threads(1)
    folder, cap = Path(sys.argv[1]), int(sys.argv[2])
    weights = WeightFolder(folder / "model")
    prompts = [[7] * 24 for _ in range(16)]
    tiny = Policy(wg=0, wd=100, gbs=1)
    with Engine(weights, tiny, Budgets(cap, cap, folder / "disk")) as engine:
        engine.generate(prompts[:1], 2)  # libraries are loaded and their own memory is taken
    Path("/proc/self/clear_refs").write_text("5")  # the high-water mark begins anew
    def high():
        line = next(x for x in open("/proc/self/status") if x.startswith("VmHWM"))
        return int(line.split()[1]) * 1024
    before = high()
    data = next(x for x in open("/proc/self/status") if x.startswith("VmData"))
    hard = int(data.split()[1]) * 1024 + cap + (64 << 20)  # thread stacks and heaps are reserved
    resource.setrlimit(resource.RLIMIT_DATA, (hard, hard))
    policy = Policy(wg=0, wd=100, cg=0, cc=100, gbs=8, nb=2)
    with Engine(weights, policy, Budgets(cap // 2, cap // 2, folder / "disk")) as engine:
        made = engine.generate(prompts, 4)
    print(high() - before, sum(made.peak[t] for t in ("device", "host")), weights.nbytes)
"""


def test_measured_memory_stays_under_the_cap(tmp_path):
    """A model of 180 MB under 84 MiB, in a process of its own: the high-water mark of its RSS."""
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=2000,
        hidden_size=512,
        intermediate_size=1536,
        num_hidden_layers=12,
        num_attention_heads=8,
        max_position_embeddings=128,
    )
    LlamaForCausalLM(config).save_pretrained(tmp_path / "model")
    cap = 84 << 20
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(MEASURED), str(tmp_path), str(cap)],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[3],
        env={**os.environ, "PYTHONPATH": "."},
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    grown, booked, size = map(int, done.stdout.split())
    assert size > 1.9 * cap
    assert booked <= cap
    assert grown <= cap + (8 << 20), "libraries, threads and the allocator's slack"
