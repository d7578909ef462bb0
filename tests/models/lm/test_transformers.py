"""The plain back end against literal references: transformers' own generate, one text at a time."""

import math

import numpy as np
import pytest
import torch

from models.lm import scoring
from models.lm.interface import Sampling
from models.lm.transformers import TransformersModel

PROMPTS = ["The quick brown fox", "Hi", "é", "", "a longer prompt, to be padded against " * 3]
PAIRS = [
    ("The quick", " brown"), ("The quick", " fox jumps"), ("The quick", ""), ("", "alone"),
    ("x", "y"), ("The quick", "est way"), ("another " * 9, "one"), ("", ""),
]  # fmt: skip


def ids_of(model, text):
    return torch.tensor([model.codec.encode(text)])


def generate_reference(model, prompt, n):
    ids = ids_of(model, prompt)
    out = model.model.generate(
        ids, attention_mask=torch.ones_like(ids), max_new_tokens=n, do_sample=False, num_beams=1
    )
    return tuple(out[0, ids.shape[1] :].tolist())


def score_reference(model, prompt, continuation):
    """One text at a time, all logits at once: log p of every token from the border on."""
    ids, begin = model.codec.encode_pair(prompt, continuation)
    with torch.inference_mode():
        logits = model.model(torch.tensor([ids])).logits[0].double()
    logprobs = logits.log_softmax(-1)
    places = range(begin, len(ids))
    return [logprobs[i - 1, ids[i]].item() for i in places], [
        logits[i - 1].argmax().item() == ids[i] for i in places
    ]


def test_greedy_tokens_are_those_of_transformers_generate(tiny):
    told = tiny.generate(PROMPTS, Sampling(max_tokens=20))
    assert [c.tokens for c in told] == [generate_reference(tiny, p, 20) for p in PROMPTS]
    for prompt, completion in zip(PROMPTS, told, strict=True):
        assert completion.prompt_tokens == len(tiny.codec.encode(prompt))
        assert completion.completion_tokens == len(completion.tokens) == len(completion.logprobs)
        assert completion.text == tiny.codec.decode(completion.tokens)


def test_a_batch_answers_as_its_prompts_do_one_by_one(tiny):
    sampling = Sampling(max_tokens=12)
    together = tiny.generate(PROMPTS, sampling)
    for prompt, completion in zip(PROMPTS, together, strict=True):
        [alone] = tiny.generate([prompt], sampling)
        assert completion.tokens == alone.tokens
        assert completion.logprobs == pytest.approx(alone.logprobs, abs=1e-4)


def test_log_probabilities_of_a_completion_are_its_score(tiny):
    [completion] = tiny.generate(["The quick brown fox"], Sampling(max_tokens=8))
    ids = ids_of(tiny, "The quick brown fox")
    whole = torch.cat([ids, torch.tensor([completion.tokens])], 1)
    with torch.inference_mode():
        logprobs = tiny.model(whole).logits[0].log_softmax(-1)
    told = [logprobs[ids.shape[1] + i - 1, t].item() for i, t in enumerate(completion.tokens)]
    assert completion.logprobs == pytest.approx(told, abs=1e-4)


@pytest.mark.parametrize("most_logits", [2**25, 2000], ids=["one-stretch", "many-stretches"])
def test_scores_are_those_of_the_literal_reference(tiny, monkeypatch, most_logits):
    monkeypatch.setattr(scoring, "_MOST_LOGITS", most_logits)
    for pair, score in zip(PAIRS, tiny.score(PAIRS), strict=True):
        logprobs, greedy = score_reference(tiny, *pair)
        assert score.logprobs == pytest.approx(logprobs, abs=1e-3)
        assert list(score.greedy) == greedy
        assert score.prompt_tokens == tiny.codec.encode_pair(*pair)[1]


def test_scores_across_a_merged_border_are_those_of_the_whole_text(merging):
    pairs = [("the c", "at sat"), ("the", " cat"), ("the ", "cat"), ("the c", "ow")]
    for pair, score in zip(pairs, merging.score(pairs), strict=True):
        assert score.logprobs == pytest.approx(score_reference(merging, *pair)[0], abs=1e-4)


def test_an_empty_continuation_is_certain(tiny):
    [score] = tiny.score([("The quick", "")])
    assert (score.logprobs, score.greedy, score.total) == ((), (), 0)
    assert score.prompt_tokens == 9


def test_a_greedy_completion_scores_as_greedy(tiny):
    [completion] = tiny.generate(["abc"], Sampling(max_tokens=1))
    if completion.text:  # a token may be half a character, which is no text to score
        [score] = tiny.score([("abc", completion.text)])
        assert score.greedy == (True,) or "\ufffd" in completion.text


def test_small_batches_change_nothing(llama):
    whole, small = llama(), llama(batch_tokens=40)
    sampling = Sampling(max_tokens=6)
    assert [c.tokens for c in small.generate(PROMPTS, sampling)] == [
        c.tokens for c in whole.generate(PROMPTS, sampling)
    ]
    for a, b in zip(small.score(PAIRS), whole.score(PAIRS), strict=True):
        assert a.logprobs == pytest.approx(b.logprobs, abs=1e-4)


def test_what_is_drawn_depends_on_prompt_and_seed_alone(llama):
    model, sampling = llama(), Sampling(max_tokens=16, temperature=1.5, seed=4)
    together = model.generate(PROMPTS, sampling)
    assert [c.tokens for c in together] == [
        model.generate([p], sampling)[0].tokens for p in PROMPTS
    ]
    other = model.generate(PROMPTS, Sampling(max_tokens=16, temperature=1.5, seed=5))
    assert [c.tokens for c in other] != [c.tokens for c in together]


def test_drawn_tokens_have_the_frequencies_of_the_nucleus(llama):
    model = llama()
    with torch.inference_mode():
        p = model.model(ids_of(model, "abc")).logits[0, -1].double().softmax(-1)
    ranked, order = p.sort(descending=True)
    inside = (ranked.cumsum(0) - ranked) < 0.5
    nucleus = dict(
        zip(order[inside].tolist(), (ranked[inside] / ranked[inside].sum()).tolist(), strict=True)
    )
    n = 400
    counts: dict[int, int] = {}
    for seed in range(n):
        drawn = model.generate(["abc"], Sampling(max_tokens=1, temperature=1, top_p=0.5, seed=seed))
        counts[drawn[0].tokens[0]] = counts.get(drawn[0].tokens[0], 0) + 1
    assert set(counts) <= set(nucleus)
    for token, share in nucleus.items():
        assert abs(counts.get(token, 0) / n - share) < 4 * math.sqrt(share * (1 - share) / n) + 1e-9


def test_a_stop_string_ends_a_completion_and_stays_out_of_it(llama):
    model = llama()
    [free] = model.generate(["abc"], Sampling(max_tokens=30))
    place = next(i for i in range(3, len(free.text)) if free.text[i] != "\ufffd")
    stop = free.text[place]
    [stopped] = model.generate(["abc"], Sampling(max_tokens=30, stop=(stop, "never")))
    assert stopped.text == free.text[: free.text.index(stop)]
    assert stopped.finish == "stop"
    assert stopped.tokens == free.tokens[: len(stopped.tokens)]
    assert len(stopped.tokens) < len(free.tokens)


def test_the_end_token_ends_a_completion(llama):
    model = llama()
    [free] = model.generate(["abc"], Sampling(max_tokens=10))
    codec = model.codec
    codec.ends = frozenset({free.tokens[4]})
    [ended, longer] = model.generate(["abc", "something else"], Sampling(max_tokens=10))
    assert ended.tokens == free.tokens[: free.tokens.index(free.tokens[4]) + 1]
    assert ended.finish == "stop"
    assert free.finish == "length"
    assert longer.completion_tokens >= 1


def test_hidden_states_are_the_models_own(tiny):
    texts = ["The quick brown fox", "Hi"]
    layers = tiny.model.config.get_text_config().num_hidden_layers
    for layer in (0, 1, layers, -1):
        for text, states in zip(texts, tiny.hidden_states(texts, layer), strict=True):
            with torch.inference_mode():
                out = tiny.model(ids_of(tiny, text), output_hidden_states=True)
            np.testing.assert_allclose(states, out.hidden_states[layer][0].numpy(), atol=1e-4)
            assert states.dtype == np.float32


def test_an_embedding_pools_the_states(llama):
    model, texts = llama(), ["The quick brown fox", "Hi", "x"]
    states = model.hidden_states(texts)
    np.testing.assert_allclose(model.embed(texts), np.stack([s.mean(0) for s in states]), atol=1e-5)
    np.testing.assert_allclose(
        model.embed(texts, pooling="last"), np.stack([s[-1] for s in states]), atol=1e-5
    )


def test_nothing_asked_nothing_answered(llama):
    model = llama()
    assert model.generate([], Sampling()) == []
    assert model.score([]) == []
    assert model.hidden_states([]) == []
    assert model.embed([]).shape == (0, 48)


@pytest.mark.parametrize("layer", [-2, 4])
def test_a_layer_that_is_not_there_is_told(llama, layer):
    with pytest.raises(ValueError, match=rf"layer {layer} is not one of -1, 0 .* 3"):
        llama().hidden_states(["x"], layer)


def test_a_prompt_longer_than_the_context_is_told(llama):
    model = llama()
    with pytest.raises(ValueError, match=r"prompt 'xxx.* has 510 tokens and there is room for 508"):
        model.generate(["short", "x" * 510], Sampling(max_tokens=4))
    with pytest.raises(ValueError, match=r"prompt .* has 510 tokens and there is room for 509"):
        model.score([("x" * 510, "yyy")])
    with pytest.raises(ValueError, match=r"continuation .* has 600 tokens, the context holds 512"):
        model.score([("x", "y" * 600)])
    with pytest.raises(ValueError, match=r"text .* has 513 tokens and there is room for 512"):
        model.embed(["x" * 513])


@pytest.mark.parametrize("side", ["left", "right"])
def test_a_long_prompt_is_cut_where_asked(llama, side):
    text = "".join(chr(97 + i % 26) for i in range(600))
    kept = text[-508:] if side == "left" else text[:508]
    sampling = Sampling(max_tokens=4)
    assert llama(truncate=side).generate([text], sampling) == llama().generate([kept], sampling)
    kept = text[-508:] if side == "left" else text[:508]
    [cut], [whole] = (
        llama(truncate=side).score([(text, "abcd")]), llama().score([(kept, "abcd")])
    )  # fmt: skip
    assert cut.logprobs == pytest.approx(whole.logprobs, abs=1e-5)


def test_progress_counts_what_is_done(llama):
    told: list[tuple[int, int]] = []
    llama(batch_tokens=20).generate(PROMPTS, Sampling(max_tokens=2), lambda *at: told.append(at))
    assert told[-1] == (5, 5)
    assert [done for done, _ in told] == sorted(done for done, _ in told)


def test_the_same_question_has_the_same_answer(llama):
    model = llama()
    assert model.generate(PROMPTS, Sampling()) == model.generate(PROMPTS, Sampling())
    assert model.score(PAIRS) == model.score(PAIRS)


def test_threads_are_given_back(llama):
    before = torch.get_num_threads()
    llama().generate(["x"], Sampling(max_tokens=1))
    assert torch.get_num_threads() == before


def test_a_folder_that_is_no_model_is_told(llama, merging_folder, tmp_path):
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (tmp_path / name).write_bytes((merging_folder / name).read_bytes())
    with pytest.raises(ValueError, match="cannot be loaded"):
        TransformersModel(tmp_path, llama()._config)
