import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.lm.text import TextCodec, cut_at_stop, excerpt, fit

GOLDEN = (
    "<|im_start|>system\n"
    "You are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n"
    "<|im_start|>user\nWho is the maintainer?<|im_end|>\n"
    "<|im_start|>assistant\n"
)


@pytest.fixture(scope="session")
def smol_codec(smollm2):
    return TextCodec(smollm2)


@given(text=st.text())
@settings(deadline=None)
def test_any_text_comes_back_from_bytes(merging, text):
    assert merging.codec.decode(merging.codec.encode(text)) == text


# Its vocabulary lacks some bytes that only control, unassigned and private characters hold.
@given(text=st.text(st.characters(exclude_categories=["Cc", "Cn", "Co", "Cs"]), min_size=1))
@settings(deadline=None, max_examples=300)
def test_smollm2_gives_any_text_back(smol_codec, text):
    assert smol_codec.decode(smol_codec.encode(text)) == text


@pytest.mark.parametrize("text", ["déjà vu 🙂", "你好 世界", "١٢٣ ²³ ½", "a\u0301 \u200b\ttab\r\n"])
def test_text_beyond_ascii_comes_back(smol_codec, text):
    assert smol_codec.decode(smol_codec.encode(text)) == text


def test_smollm2_reads_digits_one_by_one(smol_codec):
    pieces = [smol_codec.decode([i]) for i in smol_codec.encode("x 2024 ½")]
    assert pieces[:6] == ["x", " ", "2", "0", "2", "4"]


def test_the_chat_prompt_is_the_golden_one(smol_codec):
    prompt = smol_codec.chat_prompt("Who is the maintainer?")
    assert prompt == GOLDEN
    assert smol_codec.chat_prompt("Hi", "Be brief.").startswith(
        "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n"
    )
    ids = smol_codec.encode(prompt)
    assert (ids[0], ids.count(1), ids.count(2)) == (1, 3, 2), "special tokens are read as such"


def test_a_model_without_a_template_is_asked_plainly(merging):
    assert merging.chat_prompt("user text") == "user text"
    assert merging.chat_prompt("user text", "system text") == "system text\n\nuser text"


def pieces(model, prompt, continuation):
    ids, begin = model.codec.encode_pair(prompt, continuation)
    return [model.codec.decode([i]) for i in ids[:begin]], [
        model.codec.decode([i]) for i in ids[begin:]
    ]


def test_a_token_across_the_border_belongs_to_the_continuation(merging):
    whole = merging.codec.encode("the cat sat")
    [*_, cat, _sat] = [merging.codec.decode([i]) for i in whole]
    assert cat == " cat", "the tokenizer has learnt ' cat' as one token"
    assert pieces(merging, "the c", "at sat") == (["the"], [" cat", " sat"])
    assert pieces(merging, "the", " cat") == (["the"], [" cat"])
    assert pieces(merging, "the ", "cat") == (["the"], [" cat"])


@given(prompt=st.text(max_size=12), continuation=st.text(max_size=12))
@settings(deadline=None)
def test_a_pair_is_its_text_cut_once(merging, prompt, continuation):
    ids, begin = merging.codec.encode_pair(prompt, continuation)
    assert 0 < begin <= len(ids)
    given_, scored = ids[:begin], ids[begin:]
    start = [merging.codec.start] if given_ == [merging.codec.start] else []
    assert merging.codec.decode(ids[len(start) :]) == prompt + continuation
    assert bool(scored) == bool(continuation)
    if not continuation and prompt:
        assert ids == merging.codec.encode(prompt)


def test_an_empty_prompt_follows_the_start_or_end_token(merging, llama):
    assert merging.codec.encode("") == [0], "no start token: the end token stands in"
    assert llama().codec.encode("") == [256]
    assert llama().codec.encode_pair("", "a")[1] == 1


def test_no_tokenizer_is_told(tmp_path):
    with pytest.raises(ValueError, match=r"holds no tokenizer\.json"):
        TextCodec(tmp_path)


@pytest.mark.parametrize(
    ("truncate", "kept"), [("left", [3, 4]), ("right", [1, 2]), ("error", None)]
)
def test_what_is_too_long_is_cut_as_asked_or_told(truncate, kept):
    if kept is None:
        with pytest.raises(ValueError, match="prompt 'x' has 4 tokens and there is room for 2"):
            fit([1, 2, 3, 4], 2, truncate, "prompt 'x'")
    else:
        assert fit([1, 2, 3, 4], 2, truncate, "") == kept
    assert fit([1, 2], 2, truncate, "") == [1, 2]


def test_no_room_at_all_is_an_error_even_if_cutting_is_allowed():
    with pytest.raises(ValueError, match="room for 0"):
        fit([1], -3, "left", "prompt")


def test_the_earliest_stop_string_ends_a_text():
    assert cut_at_stop("one two three", ["three", "two"]) == ("one ", True)
    assert cut_at_stop("one", ["x"]) == ("one", False)
    assert cut_at_stop("one", []) == ("one", False)


def test_an_excerpt_is_short():
    assert excerpt("short") == "'short'"
    assert len(excerpt("x" * 1000)) < 70
