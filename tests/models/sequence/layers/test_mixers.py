"""Every mixer: causal, the same step by step as at once, and honest about what it cannot read."""

import pytest
import torch

from models.sequence.backbone import Backbone, parameter_count
from models.sequence.config import BackboneConfig, HyenaConfig, LongConvConfig, SsmConfig
from models.sequence.layers.h3 import H3
from models.sequence.layers.long_conv import LongConv, smooth, squash
from models.sequence.layers.ssm import DiagonalSSM
from models.sequence.ops.state_passing import recurrence_reference

SMALL = {"width": 8, "mlp": 16, "vocabulary": 11, "outputs": 11, "longest": 300, "dropout": 0.0}
BACKBONES = {
    "attention": BackboneConfig(pattern=("attention",) * 2, heads=2, positions=True, **SMALL),
    "h3": BackboneConfig(pattern=("h3",) * 2, ssm=SsmConfig(modes=8, shift=5), **SMALL),
    "h3 heads": BackboneConfig(pattern=("h3",) * 2, ssm=SsmConfig(head_dim=4, modes=8), **SMALL),
    "s4d": BackboneConfig(
        pattern=("s4d",) * 2, ssm=SsmConfig(modes=8, discretisation="zoh"), **SMALL
    ),
    "hyena": BackboneConfig(pattern=("hyena",) * 2, **SMALL),
    "hyena order 3": BackboneConfig(pattern=("hyena",) * 2, hyena=HyenaConfig(order=3), **SMALL),
    "hyena_se": BackboneConfig(pattern=("hyena_se",) * 2, **SMALL),
    "hyena_mr": BackboneConfig(pattern=("hyena_mr",) * 2, **SMALL),
    "conv1d": BackboneConfig(pattern=("conv1d",) * 2, **SMALL),
    "long_conv": BackboneConfig(
        pattern=("long_conv",) * 2, long=LongConvConfig(smooth=1, start="geometric"), **SMALL
    ),
    "hybrid": BackboneConfig(pattern=("h3", "attention", "hyena"), **SMALL),
}
ALL = pytest.mark.parametrize("config", BACKBONES.values(), ids=BACKBONES)


def built(config: BackboneConfig) -> Backbone:
    torch.manual_seed(0)
    model = Backbone(config).eval()
    for parameter in model.parameters():  # far from the quiet start, so that differences show
        parameter.data += 0.05 * torch.randn_like(parameter)
    return model


@ALL
@pytest.mark.parametrize("prompt", [1, 7, 140])
def test_step_by_step_is_what_the_whole_sequence_gives(config, prompt):
    model = built(config)
    tokens = torch.randint(11, (2, 200))
    with torch.no_grad():
        whole = model(tokens)[:, prompt - 1 :]
    logits, step = model.begin(tokens[:, :prompt], 200 - prompt)
    told = torch.stack([logits, *(step(tokens[:, t]) for t in range(prompt, 200))], 1)
    assert (told - whole).norm() / whole.norm() <= 1e-5


@ALL
def test_no_output_depends_on_a_later_input(config):
    block = built(config).blocks[0]
    u = torch.randn(1, 150, 8, requires_grad=True)
    y = block(u)
    for t in (0, 70, 148):
        (seen,) = torch.autograd.grad(y[:, t].sum(), u, retain_graph=True)
        assert seen[:, t + 1 :].abs().max() <= 1e-6
        assert seen[:, t].abs().max() > 0


@ALL
@pytest.mark.parametrize("length", [1, 2, 63, 97])
def test_any_length_gets_a_gradient(config, length):
    model = built(config).train()
    model(torch.randint(11, (2, length))).square().sum().backward()
    grads = [p.grad for p in model.parameters() if p.grad is not None]
    assert all(grad.isfinite().all() for grad in grads)
    # Later positions of the tables are not reached by short inputs; all tensors are.
    assert len(grads) == len(list(model.parameters()))


@ALL
@pytest.mark.parametrize("length", [0, 301])
def test_lengths_that_cannot_be_read_are_told(config, length):
    with pytest.raises(ValueError, match="300"):
        built(config)(torch.zeros(1, length, dtype=torch.long))


def test_a_prompt_with_too_many_steps_to_come_is_told():
    with pytest.raises(ValueError, match="longest input is 300"):
        built(BACKBONES["hyena"]).begin(torch.zeros(1, 200, dtype=torch.long), 101)


def test_spectra_kept_for_inference_follow_the_weights():
    model = built(BACKBONES["hyena"])
    tokens = torch.randint(11, (1, 280))
    with torch.no_grad():
        model(tokens)
        for parameter in model.blocks[0].mixer.filter.parameters():
            parameter.mul_(1.5)
        cached = model(tokens)
    assert torch.equal(cached, model(tokens).detach()) or torch.allclose(
        cached, model(tokens).detach(), atol=1e-5
    )
    other = built(BACKBONES["hyena"])
    with torch.no_grad():
        model.load_state_dict(other.state_dict())
        torch.testing.assert_close(model(tokens), other(tokens))


def test_h3_is_its_two_recurrences():
    """Algorithm 1 of H3 written out for one head of width 2, against the layer."""
    torch.manual_seed(0)
    layer = H3(2, SsmConfig(head_dim=2, modes=4, shift=3)).double()
    u = torch.randn(1, 9, 2, dtype=torch.float64)
    q, k, v = layer.qkv(u)[0].chunk(3, -1)
    a, w = layer.ssm.poles()
    state, outputs = torch.zeros(2, 2, 4, dtype=a.dtype), []
    for t in range(9):
        past = [k[t - s] if t >= s else torch.zeros(2) for s in range(3)]
        shifted = sum(layer.shift[:, s] * past[s] for s in range(3)) + layer.shift_skip * k[t]
        outer = torch.outer(shifted, v[t])
        state = a[0] * state + outer.unsqueeze(-1)
        mixed = 2 * (state * w[0]).sum(-1).real + layer.ssm.skip[0] * outer
        outputs.append(q[t] @ mixed)
    torch.testing.assert_close(layer(u)[0], layer.out(torch.stack(outputs)))


def test_a_long_state_space_runs_in_chunks_as_the_recurrence():
    torch.manual_seed(0)
    ssm = DiagonalSSM(2, SsmConfig(modes=4))
    u = torch.randn(1, 2, 2500)
    a, w = ssm.poles()
    y, _ = recurrence_reference(u, a, w)
    expected = y + ssm.skip.unsqueeze(-1) * u
    assert (ssm(u) - expected).norm() / expected.norm() <= 1e-5


def test_squash_and_smooth():
    k = torch.tensor([[-3.0, -0.5, 0.5, 2.0]])
    torch.testing.assert_close(squash(k, 1.0), torch.tensor([[-2.0, 0.0, 0.0, 1.0]]))
    torch.testing.assert_close(smooth(k, 1), torch.tensor([[-3.5, -3.0, 2.0, 2.5]]) / 3)
    assert squash(k, 0.0) is k
    assert smooth(k, 0) is k


def test_a_bidirectional_layer_sees_both_ways_and_cannot_generate():
    torch.manual_seed(0)
    layer = LongConv(4, 50, LongConvConfig(bidirectional=True, squash=0.0)).eval()
    u = torch.randn(1, 50, 4, requires_grad=True)
    (seen,) = torch.autograd.grad(layer(u)[:, 20].sum(), u)
    assert seen[:, 45].abs().max() > 1e-6
    assert seen[:, 3].abs().max() > 1e-6
    with pytest.raises(ValueError, match="bidirectional"):
        layer.begin(u.detach(), 1)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"pattern": ("attention",), "heads": 3}, "3 heads"),
        ({"pattern": ("h3",), "ssm": SsmConfig(head_dim=3)}, "heads of 3"),
        ({"tied": True, "outputs": 5}, "tied"),
        ({"pattern": ("hyena",), "hyena": HyenaConfig(features=4)}, "odd"),
    ],
)
def test_numbers_that_do_not_fit_are_told(changes, message):
    with pytest.raises(ValueError, match=message):
        Backbone(BackboneConfig(**(SMALL | changes)))


def test_pooling_gives_one_answer_an_input():
    model = Backbone(
        BackboneConfig(pattern=("h3",), vocabulary=0, channels=3, pool=True, outputs=4)
    )
    assert model(torch.randn(5, 20, 3)).shape == (5, 4)
    assert parameter_count(model) == sum(p.numel() for p in model.parameters())
