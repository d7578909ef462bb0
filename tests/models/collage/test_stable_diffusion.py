"""A folder in the shape of Stable Diffusion, tiny: its classes, tokenizer, lossy autoencoder."""

import pytest
import torch
from diffusers import AutoencoderKL, PNDMScheduler, UNet2DConditionModel
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from models.collage.config import InversionConfig, SampleConfig
from models.collage.inversion import learn_words, word_rows
from models.collage.parts import Parts, open_parts, save_parts
from models.collage.sampler import Words, compose
from models.collage.train import to_signed
from models.collage.words import read_prompt

LETTERS = "abcdefghijklmnopqrstuvwxyz"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Written as such folders are, with a tokenizer that splits words into pieces."""
    torch.manual_seed(0)
    merges = [("s", "t"), ("st", "a"), ("sta", "r</w>"), ("r", "e"), ("re", "d</w>")]
    pieces = [*LETTERS, *(f"{one}</w>" for one in LETTERS), *("".join(m) for m in merges)]
    vocab = {p: i for i, p in enumerate([*pieces, "<|startoftext|>", "<|endoftext|>"])}
    tokenizer = CLIPTokenizer(vocab=vocab, merges=merges, model_max_length=77)
    text = CLIPTextModel(
        CLIPTextConfig(
            vocab_size=len(vocab), hidden_size=16, intermediate_size=32, num_hidden_layers=1,
            num_attention_heads=2, max_position_embeddings=77,
            bos_token_id=len(vocab) - 2, eos_token_id=len(vocab) - 1, pad_token_id=len(vocab) - 1,
        )
    )  # fmt: skip
    unet = UNet2DConditionModel(
        sample_size=8, in_channels=4, out_channels=4, block_out_channels=(16, 16),
        layers_per_block=1, down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"), cross_attention_dim=16,
        norm_num_groups=4, attention_head_dim=2,
    )  # fmt: skip
    vae = AutoencoderKL(
        block_out_channels=(8, 8), down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2, norm_num_groups=4, latent_channels=4,
    )  # fmt: skip
    scheduler = PNDMScheduler(
        beta_schedule="scaled_linear", beta_start=0.00085, beta_end=0.012, skip_prk_steps=True,
        steps_offset=1,
    )  # fmt: skip
    place = tmp_path_factory.mktemp("sd")
    save_parts(Parts(vae, text, tokenizer, unet, scheduler), place, torch.float16)
    return place


def test_it_composes_holds_and_learns(folder, collage):
    parts = open_parts(folder)
    assert parts.fold == 2
    one = collage(noise=(0.8, 0.0, 0.6))
    found = compose(parts, [one], SampleConfig(steps=5), [0])
    assert found.shape == (1, 3, 16, 16)
    # The autoencoder loses a little; a layer of noise 0 is pasted from the collage itself.
    assert torch.equal(found[..., 2:6, 2:6], to_signed(one.composite[None])[..., 2:6, 2:6])
    learned = learn_words(parts, one, InversionConfig(steps=2, batch=1))
    words = Words(learned.rows, [word_rows(3, 1)])
    told = compose(parts, [one], SampleConfig(steps=5), [0], words=words)
    assert not torch.equal(found, told)


def test_words_of_several_pieces_are_found(folder):
    parts = open_parts(folder)
    prompt = read_prompt(parts, "a red star and a blue apple", ["blue apple", "red star"])
    assert (prompt.layer == 1).sum() == 2, "red and star are one piece each"
    assert (prompt.layer == 0).sum() == len("blueapple")
