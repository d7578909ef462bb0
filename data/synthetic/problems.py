"""Every law whose samples can be made, by one union of configurations."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from data.synthetic.airfoil import AirfoilConfig, airfoil_samples
from data.synthetic.films import SmokeConfig, smoke_samples
from data.synthetic.samples import Part, Samples
from data.synthetic.vorticity import NavierStokesConfig, navier_stokes_samples

Law = Annotated[NavierStokesConfig | AirfoilConfig | SmokeConfig, Field(discriminator="pde")]


def simulate(law: NavierStokesConfig | AirfoilConfig | SmokeConfig, part: Part) -> Samples:
    """The samples of one part of one law's data set."""
    match law:
        case NavierStokesConfig():
            return navier_stokes_samples(law, part)
        case AirfoilConfig():
            return airfoil_samples(law, part)
        case SmokeConfig():
            return smoke_samples(law, part)
