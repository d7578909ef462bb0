"""HELM: holistic evaluation of language models, and aggregation of what HELM wrote.

Liang et al., Holistic Evaluation of Language Models, arXiv 2211.09110; the reference code is
stanford-crfm/helm (Apache-2.0), whose files this package reads and writes and none of whose code it
holds. Three parts: readers of result files into plain rows (`streaming`, `files`, `form`, `rows`,
their fast twin `columns`, `foreign`), what a table of results consists of (`schema`, `runs`,
`layout`, `calibration`, `inference`), and evaluation itself (`scenarios`, `adapters`,
`perturbations`, `metrics`, `evaluation`).

Deviations
    - A file that is not JSON to its end is set aside whole; in a file that is, entries without
      HELM's form are set aside one by one. HELM stops at either.
    - A stat that is not a finite number is set aside: HELM drops those before writing, other
      tools do not.
    - Matched stats that differ in nothing but repetition are merged where HELM raises an error.
    - The worst case of a lower-is-better metric is HELM's minimum by default, so that tables agree;
      `worst="direction"` takes the maximum.
    - Perturbations that need downloaded word lists (dialect, first names) use short lists of our
      own, so their scores are not comparable with HELM's.
    - Bias and toxicity are counted with word lists of our own; toxicity is the share of completions
      with a listed word, not a score of the Perspective API.
    - A cell's interval is over instances, within runs and trials, and symmetric: it has the
      variance of the bootstrap and not its percentiles. Calibration, bias and perplexity have none.
    - Idealised runtime is a model's own median seconds a token, not HELM's table of GPU timings.
"""
