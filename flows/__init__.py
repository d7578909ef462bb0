"""What runs: one flow a file, each readable as its paper's pipeline figure.

FLOWS names them without importing them, so that listing flows costs nothing.
"""

FLOWS = {
    "lab": "every system on real input, then all of them compared",
    "evaporate": "documents -> extraction functions -> tables",
    "tart": "synthetic logistic tasks -> reasoning module -> few-shot scores",
    "spacetime": "time series -> companion state-space forecasts -> scores",
    "flexgen": "prompts -> plan of the memory -> completions, block by block",
    "helm": "the latest scores of all systems -> cells -> mean win rates",
}
