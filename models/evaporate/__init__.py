"""EVAPORATE-CODE+: tables from semi-structured documents (Arora et al., PVLDB 17(2), 2023).

From ten labelled examples come many small extraction functions per attribute; they are scored,
filtered, run on every document and put to the vote.

    config      how many examples, candidates and voters
    functions   an extraction function as data: JSON in, value and character span out
    corpus      documents, labels, and the examples that induction may see
    inducer     candidate functions from examples
    selection   Algorithm 1: score, abstain rule, filter
    voting      majority vote and posterior, document by document
    metrics     Text F1, Pair F1, exact match
    scores      the vote and its baselines on the documents without labels

Deviations from the paper and its code

- Candidates come from a deterministic inducer, not from a language model: labels, headings,
  neighbouring characters, shapes and line numbers around the example values. No tokens are spent,
  and no code is executed: a function is a JSON object.
- The examples carry gold labels where the paper takes the model's own extractions for true: without
  a model there is nothing else. Labels of all other documents are read by the scores alone.
- The attributes are given; schema identification (section 3.1) is not part of this version.
- A function must also score better than one that never answers. The paper's 0.5 alone lets such
  functions vote wherever most documents lack the attribute.
- Filter: mean Text F1 above 0.5, as in the text; the paper's code also admits a median of 0.5.
  Equal (mean, median) are ordered by coverage, then by the number of examples that suggest them.
- Functions that answer alike on examples and probes are run once and vote as often as they are, as
  the paper's duplicates do. Without their votes the right answer, which many candidates share,
  loses to the wrong ones, which differ.
- Majority vote only (row MV of Table 4, with filter and abstentions); the label model is not part
  of this version. All answers stand, not the five most common. A document on which nobody votes
  has no value (the code gives it the most common one), since such a value has no place in the text.
- Values are verbatim spans: common affixes are not cut off afterwards (step 7 of the code).
- Text F1 parts words at commas and semicolons, so that lists compare free of order with and without
  spaces; the attribute's name is not taken out of answers, a span begins behind it. Predictions are
  never cut to the length of gold.
"""
