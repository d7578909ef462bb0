"""Published sizes by name; longest inputs and vocabularies as published too."""

from __future__ import annotations

from models.sequence.config import BackboneConfig, HyenaConfig, Kind, LongConvConfig, SsmConfig

_TEXT = HyenaConfig(features=33, frequency=14.0)
_GPT2_VOCABULARY = 50257


def _h3_hybrid(layers: int, width: int, heads: int, attention: tuple[int, ...]) -> BackboneConfig:
    pattern: list[Kind] = ["attention" if i in attention else "h3" for i in range(layers)]
    return BackboneConfig(
        pattern=tuple(pattern), width=width, mlp=4 * width, heads=heads, longest=2048,
        vocabulary=_GPT2_VOCABULARY, outputs=_GPT2_VOCABULARY, tied=True, ssm=SsmConfig(head_dim=1),
    )  # fmt: skip


def _hyena(layers: int, width: int, mlp: int) -> BackboneConfig:
    return BackboneConfig(
        pattern=("hyena",) * layers, width=width, mlp=mlp, longest=2048,
        vocabulary=_GPT2_VOCABULARY, outputs=_GPT2_VOCABULARY, tied=True, hyena=_TEXT,
    )  # fmt: skip


# H3's code: layers, width and heads; two attention layers by 0-based index.
H3_125M = _h3_hybrid(12, 768, 12, (1, 8))
H3_355M = _h3_hybrid(24, 1024, 16, (1, 13))
H3_1_3B = _h3_hybrid(24, 2048, 16, (8, 16))
H3_2_7B = _h3_hybrid(32, 2560, 20, (1, 17))

# Hyena's text models: depth, width, FFN.
HYENA_125M = _hyena(12, 768, 3072)
HYENA_125M_SLIM = _hyena(18, 768, 1536)
HYENA_153M = _hyena(18, 864, 1728)
HYENA_355M = _hyena(36, 1024, 2048)
HYENA_1_3B = _hyena(36, 2048, 4096)

# Two-layer models of H3 table 1 and of Hyena appendix A.1.
H3_SYNTHETIC = BackboneConfig(pattern=("h3", "h3"), width=32, mlp=128)
HYENA_SYNTHETIC = BackboneConfig(pattern=("hyena", "hyena"), width=64, mlp=128, dropout=0.0)

# LongConv's configuration for Long Range Arena's Path-X.
LONGCONV_PATHX = BackboneConfig(
    pattern=("long_conv",) * 6, width=256, mlp=0, longest=16384, vocabulary=0, outputs=2, pool=True,
    dropout=0.0, long=LongConvConfig(squash=0.001, dropout=0.3, bidirectional=True,
                                     learning_rate=5e-4),
)  # fmt: skip

# Transformer of the same shape as HYENA_125M and H3_125M.
TRANSFORMER_125M = BackboneConfig(
    pattern=("attention",) * 12, width=768, mlp=3072, heads=12, longest=2048, positions=True,
    vocabulary=_GPT2_VOCABULARY, outputs=_GPT2_VOCABULARY, tied=True,
)  # fmt: skip
