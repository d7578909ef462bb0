"""What runs: one flow a file, each readable as its paper's pipeline figure.

FLOWS names them without importing them, so that listing flows costs nothing.
"""

FLOWS = {
    "lab": "every system on real input, then all of them compared",
    "evaporate": "documents -> extraction functions -> tables",
    "tart": "synthetic logistic tasks -> reasoning module -> few-shot scores",
    "spacetime": "time series -> companion state-space forecasts -> scores",
    "t1": "simulated flows -> operators on one transform, beside FNO -> scores",
    "sequence": "tasks and texts -> Hyena, H3, long convolutions, attention -> scores, timings",
    "collage": "layers with words -> pictures by ever more control -> scores, findings",
    "flexgen": "prompts -> plan of the memory -> completions, block by block",
    "helm": "models evaluated, or anybody's results aggregated -> cells -> win rates",
    "benchmarks": "every system against its peers, in one run -> ratios",
}
