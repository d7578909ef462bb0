"""Five tiny decoders with random weights, saved as transformers saves them, and their answers."""

import random

import pytest
import torch

from models.flexgen.weights import WeightFolder

NEW = 7  # tokens
VOCAB, WIDTH, FFN, HEADS, CONTEXT = 199, 48, 112, 4, 96


def _config(kind):
    from transformers import GPT2Config, GPTNeoXConfig, LlamaConfig, OPTConfig, Qwen2Config

    common = {"vocab_size": VOCAB, "initializer_range": 0.3, "num_hidden_layers": 3}
    sizes = {"hidden_size": WIDTH, "num_attention_heads": HEADS, "max_position_embeddings": CONTEXT}
    grouped = {"num_key_value_heads": 2, "intermediate_size": FFN}
    ends = {"eos_token_id": None, "bos_token_id": None}
    if kind == "opt":
        opt = {"ffn_dim": FFN, "word_embed_proj_dim": WIDTH, "init_std": 0.3}
        return OPTConfig(**common, **sizes, **opt, **ends)
    if kind == "llama":
        scaled = {"rope_type": "linear", "factor": 2.0, "rope_theta": 1e4}
        return LlamaConfig(**common, **sizes, **grouped, **ends, rope_parameters=scaled)
    if kind == "qwen2":
        return Qwen2Config(**common, **sizes, **grouped, **ends, tie_word_embeddings=True)
    if kind == "gpt2":
        gpt2 = {"n_embd": WIDTH, "n_layer": 3, "n_head": HEADS, "n_positions": CONTEXT}
        return GPT2Config(vocab_size=VOCAB, initializer_range=0.3, **gpt2, **ends)
    return GPTNeoXConfig(**common, **sizes, **ends, intermediate_size=FFN)


def build(kind):
    """The model in transformers, biases and norms made random too."""
    from transformers import AutoModelForCausalLM

    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(_config(kind), attn_implementation="sdpa").eval()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim == 1:
                parameter.add_(0.1 * torch.randn_like(parameter))
    return model


class Tiny:
    """A model in both worlds, and what transformers says to some prompts."""

    def __init__(self, kind, folder):
        self.model = build(kind)
        self.model.save_pretrained(folder)
        self.weights = WeightFolder(folder)
        draw = random.Random(0)
        lengths = [draw.choice([3, 5, 5, 9, 14]) for _ in range(11)]
        self.prompts = [[draw.randrange(2, VOCAB) for _ in range(length)] for length in lengths]
        told = [self.continued(prompt) for prompt in self.prompts]
        self.tokens = [tokens for tokens, _ in told]
        self.logprobs = [logprobs for _, logprobs in told]

    @torch.no_grad()
    def continued(self, prompt, new=NEW):
        """Greedy tokens of `generate`, and their log-probabilities."""
        out = self.model.generate(
            torch.tensor([prompt]),
            attention_mask=torch.ones(1, len(prompt), dtype=torch.long),
            max_new_tokens=new,
            do_sample=False,
            output_logits=True,
            return_dict_in_generate=True,
            pad_token_id=0,
        )
        logprobs = [step[0].log_softmax(-1).max().item() for step in out.logits]
        return out.sequences[0, len(prompt) :].tolist(), logprobs


@pytest.fixture(scope="session")
def tiny(tmp_path_factory):
    """Gives the tiny model of a kind; each is made once."""
    made = {}

    def get(kind):
        if kind not in made:
            made[kind] = Tiny(kind, tmp_path_factory.mktemp(kind))
        return made[kind]

    return get
