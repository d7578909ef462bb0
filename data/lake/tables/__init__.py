"""Every table of the lake, one module a system; CONTRACTS is the whole catalogue by name."""

from data.lake.contract import Contract
from data.lake.tables import (
    collage,
    evaporate,
    flexgen,
    helm,
    helm_results,
    house,
    lm,
    sequence,
    spacetime,
    t1,
    tart,
)

CONTRACTS: dict[str, type[Contract]] = {
    value.table: value
    for module in (
        house,
        lm,
        flexgen,
        evaporate,
        tart,
        spacetime,
        t1,
        sequence,
        collage,
        helm,
        helm_results,
    )
    for value in vars(module).values()
    if isinstance(value, type) and issubclass(value, Contract) and value is not Contract
}
