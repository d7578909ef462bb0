"""The ways of composing that are compared, by name."""

from __future__ import annotations

from pydantic import BaseModel, Field

from models.collage.config import SampleConfig
from models.collage.layers import Collage


class Method(BaseModel, frozen=True, extra="forbid"):
    """One way of making a picture from a collage."""

    name: str = Field(description="as tables show it", min_length=1)
    sample: SampleConfig = Field(default=SampleConfig(), description="how it is sampled")
    pasted: bool = Field(default=False, description="the composite as it is: nothing is sampled")
    objects: float | None = Field(
        default=None,
        description="noise of all layers above the backmost; else each its own",
        ge=0,
        le=1,
    )
    first: float | None = Field(
        default=None, description="noise of the first of them alone", ge=0, le=1
    )
    words: bool = Field(default=False, description="whether layers have learned words")
    edges: bool = Field(default=False, description="whether outlines are held by a ControlNet")

    def told(self, collage: Collage) -> Collage:
        """The collage with the noise that this method gives its layers."""
        layers = list(collage.layers)
        for i in range(1, len(layers)):
            noise = self.first if i == 1 and self.first is not None else self.objects
            if noise is not None:
                layers[i] = layers[i].model_copy(update={"noise": noise})
        return Collage(collage.prompt, tuple(layers), collage.pixels, collage.noise, collage.canvas)


STRENGTHS = (0.2, 0.4, 0.6, 0.8)
OBJECTS = 0.4  # noise of objects, the middle of the authors' 0.2 to 0.6
LEVELS = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)


def compared(sample: SampleConfig) -> tuple[Method, ...]:
    """The paper's ladder: guards, SDEdit by strength, then one mechanism more at a time."""
    plain = sample.model_copy(update={"control": False})
    noise = {"start": "noise"}
    return (
        Method(name="text only", sample=plain.model_copy(update=noise)),
        Method(name="composite", pasted=True),
        *(
            Method(name=f"sdedit {s:g}", sample=plain.model_copy(update={"strength": s}))
            for s in STRENGTHS
        ),
        Method(name="control", sample=sample.model_copy(update=noise)),
        *(Method(name=f"layers {s:g}", sample=sample, objects=s) for s in STRENGTHS),
        Method(name="words", sample=sample, objects=OBJECTS, words=True),
        Method(name="edges", sample=sample, objects=OBJECTS, edges=True),
        Method(name="full", sample=sample, objects=OBJECTS, words=True, edges=True),
    )


def one_layer(sample: SampleConfig) -> tuple[Method, ...]:
    """The noise of one layer swept, all else alike: what it changes, and where."""
    return tuple(
        Method(name=f"one layer {level:g}", sample=sample, objects=OBJECTS, first=level)
        for level in LEVELS
    )
