"""The lab: every system on real input, then all of them compared.

evaporate  ->  extraction_scores -+
tart       ->  tart_scores       -+-> helm_cells -> helm_win_rates
spacetime  ->  forecast_scores   -+
flexgen    ->  generations, offload_runs
collage    ->  collage_images
"""

from pydantic import BaseModel

from data.lake import TableRef
from flows import collage as collage_flow
from flows import evaporate as evaporate_flow
from flows import flexgen as flexgen_flow
from flows import spacetime as spacetime_flow
from flows import tart as tart_flow
from flows.collage import CollageConfig, collage
from flows.evaporate import EvaporateConfig, evaporate
from flows.flexgen import FlexGenConfig, flexgen
from flows.helm import aggregate
from flows.spacetime import SpaceTimeConfig, spacetime
from flows.tart import TartConfig, tart
from tasks.pipeline import pipeline


class LabConfig(BaseModel, frozen=True, extra="forbid"):
    """What each system of the lab is asked to do."""

    evaporate: EvaporateConfig = EvaporateConfig()
    tart: TartConfig = TartConfig()
    spacetime: SpaceTimeConfig = SpaceTimeConfig()
    flexgen: FlexGenConfig = FlexGenConfig()
    collage: CollageConfig = CollageConfig()


PROFILES = {
    name: LabConfig(
        evaporate=evaporate_flow.PROFILES[name],
        tart=tart_flow.PROFILES[name],
        spacetime=spacetime_flow.PROFILES[name],
        flexgen=flexgen_flow.PROFILES[name],
        collage=collage_flow.PROFILES[name],
    )
    for name in ("quick", "standard", "paper")
}


@pipeline("lab")
def lab(config: LabConfig = PROFILES["quick"]) -> TableRef:
    """Runs every system, then aggregates their scores."""
    extraction = evaporate(config.evaporate)
    few_shot = tart(config.tart)
    forecasting = spacetime(config.spacetime)
    flexgen(config.flexgen)
    collage(config.collage)
    return aggregate(extraction, few_shot, forecasting)
