"""EVAPORATE-CODE+: tables from semi-structured documents (Arora et al., PVLDB 17(2), 2023).

From ten samples come many small extraction functions per attribute; they are scored, filtered, run
on every document and put to the vote. The samples' values are given by a person, or read by a
language model; the functions are induced from them, or written by a model. No step needs a model.

    documents   corpus, sources (which belong together), chunks, pages and markup (what a
                function sees), columns (types of the wide table)
    attributes  schema
    models      asking (recorded, replayable), prompts, direct (what a model reads itself: DIRECT,
                and pseudo-labels), synthesis (what it writes), tokens (what all that costs)
    functions   functions and items (patterns as data), inducer (makes them), code, sandbox and
                provenance (a model's source, where it runs, where its values stand)
    decision    selection (Algorithm 1), label_model, moments, voting, drift
    figures     metrics, scores, ablation (Table 4), evaluation

Deviations from the paper and its code

- Functions can come from a deterministic inducer: labels, sections, table columns, HTML paths,
  neighbouring characters, forms and line numbers around the example values. No tokens are spent and
  no code is executed: such a function is a JSON object.
- The inducer's examples may carry gold labels where the paper takes the model's own extractions for
  true. Labels of documents that are not samples are read by the scores alone; the paper's code
  takes the class balance from them.
- A sample without a label for an attribute is no example of it, and such cells are not scored: not
  to know a value is another thing than to know that there is none.
- Functions are ranked by their score as it stands after one more right and one more wrong answer.
  The paper's mean alone is 1 for every function that answers on the one example it was made from.
  For the same reason a function must be right on two examples, where there are enough of them.
- A function must also score better than one that never answers. The paper's 0.5 alone lets such
  functions vote wherever most documents lack the attribute.
- Functions much worse than the best do not vote, though they pass the filter: where few functions
  are right, the rest of the ten places would be theirs, and they are often wrong alike.
- Filter: mean Text F1 above 0.5, as in the text; the paper's code also admits a median of 0.5.
- Functions that answer alike on examples and probes are run once and vote as often as they are, as
  the paper's duplicates do. Without their votes the right answer, which many candidates share,
  loses to the wrong ones, which differ.
- The label model is one coin a function, fitted by EM; scores on the samples are its prior.
  The classes of a document are its own values, so a full confusion matrix has no meaning over
  documents; the paper's model (MeTaL) is here as its moments under the same restriction. It does
  not look for functions that depend on each other: the paper's code, too, skips that step, by an
  error it swallows.
- A document on which nobody votes has no value; the code gives it the most common one, which has no
  place in the text.
- Values keep the place they were read from; white space is made single, LaTeX undone, items take
  the form of the examples. Common affixes are learned before the vote (what to cut off behind and
  before a value), not cut off after it (step 7 of the code).
- Of several chunks the first that gives a sample's value counts; the code asks the model to choose.
  A model's answer that does not stand in the text is no value.
- Prompts begin with the text and end with the attribute, so that a back end can keep what it read.
- Code is cut by its syntax tree, not at its first "return"; modules it forgot to import are
  imported.
- DIRECT asks for known attributes in one prompt a chunk; the paper's lists whatever it finds.
- Sources are told apart by beginnings of lines, headings and tags, not by all words, and their
  number is found: groups alike in these are joined. All words split one template by its topics.
- Chunks are cut from the readable text, HTML's tags left out, and functions read that text too;
  the code shows the model raw HTML. Places are those of the source all the same.
- The reference runs what the model wrote in its own process; here it runs behind the walls of
  `sandbox`, where it cannot import bs4. What it returns and the text does not hold is no value.
- Documents come in batches; samples and column types are those of the first, so that the cost of a
  collection that grows is that of what is new. A batch that differs is told, and repaired.
- Text F1 parts words at commas and semicolons, so that lists compare free of order with and without
  spaces; the attribute's name is not taken out of answers, a span begins behind it. Predictions are
  never cut to the length of gold.
"""
