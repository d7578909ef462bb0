"""EVAPORATE: a folder of semi-structured documents becomes a table.

documents -> gold -> functions -> extractions -> extraction_scores
                                      |
                                      +-> packages
"""

from pydantic import BaseModel

from data.datasets.packages import packages_digest
from data.lake import TableRef
from models.evaporate.config import CorpusConfig, InductionConfig
from tasks.evaporate import documents, extraction_scores, extractions, functions, gold, packages
from tasks.pipeline import pipeline


class EvaporateConfig(BaseModel, frozen=True, extra="forbid"):
    """Which documents are labelled, and how functions are induced and filtered."""

    corpus: CorpusConfig = CorpusConfig()
    induction: InductionConfig = InductionConfig()


PROFILES = {
    "quick": EvaporateConfig(),
    "standard": EvaporateConfig(induction=InductionConfig(max_candidates=240, probes=100)),
    "paper": EvaporateConfig(induction=InductionConfig(max_candidates=40, probes=0)),
}


@pipeline("evaporate")
def evaporate(config: EvaporateConfig = PROFILES["quick"]) -> TableRef:
    """From ten labelled examples many functions, from their vote one table (Figure 3)."""
    texts = documents(config.corpus, packages_digest())
    labels = gold(texts)
    candidates = functions(texts, labels, config.induction)
    cells = extractions(texts, candidates)
    packages(cells)
    return extraction_scores(texts, labels, candidates, cells)
