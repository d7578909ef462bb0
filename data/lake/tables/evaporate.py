"""Tables of EVAPORATE: documents and their sources, labels, functions, what they extract, how well.

A collection is what is ingested under one topic. It comes in batches, each a partition of its own,
so that new documents leave the snapshots of older ones as they are.
"""

from data.lake.contract import Contract, column

_COLLECTION = "topic under which the documents were ingested, as a table's name"
_BATCH = "batch of the collection, from 0; the first documents are batch 0"
_SOURCE = "source: the collection, or collection_2 and so on where it is a mixed one"


class Sources(Contract, table="sources", unique=("source",), partition=("collection",)):
    """The sources a mixed folder was split into, by template; one row where it is of one kind."""

    collection: str = column(_COLLECTION)
    source: str = column(_SOURCE)
    documents: int = column("documents of it among those looked at", ge=0)
    terms: list[str] = column("beginnings of lines, headings and tags that tell it from the others")
    split: str = column("the whole split as JSON: terms, weights, the mean document of each source")


class Documents(
    Contract, table="documents", unique=("source", "doc_id"), partition=("collection", "batch")
):
    """Texts as they lie on disk, line ends and markup included; of PDF files the text layer."""

    collection: str = column(_COLLECTION)
    batch: int = column(_BATCH, ge=0)
    source: str = column(_SOURCE)
    doc_id: str = column("path within the folder, or a package's name")
    kind: str = column("what kind of file it is", isin=["text", "markdown", "html", "pdf"])
    text: str = column("the whole text; spans of other tables count its characters")
    bytes: int = column("size of the file", unit="bytes", ge=1)
    sha256: str = column("SHA-256 of the file's bytes, hexadecimal")


class Chunks(
    Contract,
    table="chunks",
    unique=("source", "doc_id", "chunk"),
    partition=("collection", "batch"),
):
    """Pieces of the documents that a language model is shown."""

    collection: str = column(_COLLECTION)
    batch: int = column(_BATCH, ge=0)
    source: str = column(_SOURCE)
    doc_id: str = column("document")
    chunk: int = column("place among the document's chunks, from 0", ge=0)
    start: int = column("where it begins in the text", unit="characters", ge=0)
    end: int = column("where it ends, exclusive", unit="characters", ge=0)


class Labels(
    Contract,
    table="labels",
    unique=("source", "doc_id", "attribute"),
    partition=("collection", "since"),
):
    """What documents are taken to say: true values, a user's examples, or a reading of a sample."""

    collection: str = column(_COLLECTION)
    since: int = column("batch from which on it counts; above 0 after a repair", ge=0)
    source: str = column(_SOURCE)
    doc_id: str = column("document")
    attribute: str = column("attribute as its source spells it")
    value: str | None = column("value; null if the document has none")
    sample: bool = column("whether functions are made from it; others only score them")
    origin: str = column(
        "where it comes from: the truth, a user's file, a model's answer, recurring labels",
        isin=["truth", "user", "model", "labels"],
    )


class Functions(
    Contract,
    table="functions",
    unique=("source", "attribute", "function_id"),
    partition=("collection", "since"),
):
    """Candidate extraction functions with their scores on the samples and the verdict on them."""

    collection: str = column(_COLLECTION)
    since: int = column("batch from which on it counts; above 0 after a repair", ge=0)
    source: str = column(_SOURCE)
    attribute: str = column("attribute it extracts")
    function_id: str = column("kind and hash of the specification")
    kind: str = column("way of finding a value; code: Python source")
    spec: str = column("the function as JSON; of kind code its source is in it")
    origin: str = column("what made it", isin=["inducer", "model"])
    prompt: str | None = column("prompt template a model was given, and the document it was shown")
    made: int = column("place in the order the candidates were made in, from 0", ge=0)
    rank: int = column("place among the attribute's candidates, 1 is best", ge=1)
    score: float = column("Text F1 on the samples, mean [0..1]", ge=0, le=1)
    median: float = column("Text F1 on the samples, median [0..1]", ge=0, le=1)
    coverage: float = column("share of the samples with an answer [0..1]", ge=0, le=1)
    abstain: bool = column("an empty answer is no vote; false: it is a vote for 'no value'")
    votes: int = column("votes it has: its own and those of functions that answer alike", ge=0)
    accuracy: float | None = column(
        "how often its vote is right, as the label model has it [0..1]; null if it has none",
        ge=0,
        le=1,
    )
    kept: bool = column("whether it votes")
    reason: str | None = column("why it does not vote; null if it does")
    sandbox: str | None = column("walls around it when it was judged; null for our own patterns")


class Extractions(
    Contract,
    table="extractions",
    unique=("source", "doc_id", "attribute"),
    partition=("collection", "batch"),
):
    """The value the functions agree on for every document and attribute, and where it stands."""

    collection: str = column(_COLLECTION)
    batch: int = column(_BATCH, ge=0)
    source: str = column(_SOURCE)
    doc_id: str = column("document")
    attribute: str = column("attribute")
    value: str | None = column("extracted value; null if there is none")
    posterior: float = column("probability of the value [0..1]; 0 if nobody voted", ge=0, le=1)
    start: int | None = column("where it begins in the text", unit="characters", ge=0)
    end: int | None = column("where it ends, exclusive", unit="characters", ge=0)
    functions: list[str] = column("function_id of the functions that voted for it, best first")


class Drift(
    Contract,
    table="drift",
    unique=("source", "attribute"),
    partition=("collection", "batch"),
):
    """How a batch's values compare with those of the first batch, and whether that is alarming."""

    collection: str = column(_COLLECTION)
    batch: int = column(_BATCH, ge=0)
    source: str = column(_SOURCE)
    attribute: str = column("attribute")
    documents: int = column("documents of the batch", ge=0)
    fill_rate: float = column("share of them with a value [0..1]", ge=0, le=1)
    expected_fill_rate: float = column("the same share in the first batch [0..1]", ge=0, le=1)
    agreement: float = column("mean posterior of the values there are [0..1]", ge=0, le=1)
    expected_agreement: float = column("the same in the first batch [0..1]", ge=0, le=1)
    z: float = column("the larger shift of the two in standard errors")
    alarm: bool = column("whether the shift is too large to be chance and large enough to matter")


class ExtractionScores(
    Contract,
    table="extraction_scores",
    unique=("source", "scope", "strategy", "attribute", "metric"),
    partition=("collection",),
):
    """Agreement of extracted with true values on the documents that were not samples."""

    collection: str = column(_COLLECTION)
    source: str = column(_SOURCE)
    scope: str = column(
        "documents scored: all with true values that were not samples, or those of them that a "
        "model read directly",
        isin=["held-out", "read directly"],
    )
    strategy: str = column("who answers: DIRECT, CODE, CODE+ or a baseline")
    attribute: str = column("attribute; macro: mean over all; all: the facts of all pooled")
    metric: str = column(
        "text_f1 (closed IE), exact_match, pair_precision, pair_recall, pair_f1 (open IE); wrong "
        "and empty: shares of cells with a wrong value and without the value there is",
        isin=[
            "text_f1", "exact_match", "pair_precision", "pair_recall", "pair_f1", "wrong", "empty",
        ],
    )  # fmt: skip
    value: float = column("the figure [0..1]", ge=0, le=1)
    n: int = column("documents scored", ge=1)


class TokenLedger(
    Contract,
    table="token_ledger",
    unique=("source", "strategy", "step"),
    partition=("collection",),
):
    """What extraction costs in a language model's tokens: what was spent, and what is predicted."""

    collection: str = column(_COLLECTION)
    source: str = column(_SOURCE)
    strategy: str = column("DIRECT, CODE or CODE+")
    step: str = column("what the tokens are for; predicted: the whole strategy, before it ran")
    documents: int = column("documents of the source", ge=0)
    prompt_tokens: int = column("tokens of the prompts", ge=0)
    completion_tokens: int = column("tokens of the answers", ge=0)
    seconds: float | None = column(
        "time of the answers; null for predictions and where not all are timed", unit="s", ge=0
    )
    projected_10k: int = column("tokens of the same for 10,000 documents", ge=0)


class ModelCalls(
    Contract,
    table="model_calls",
    unique=("collection", "since", "call"),
    partition=("collection", "since"),
):
    """Everything a language model was asked about a collection, and its answers, in order."""

    collection: str = column(_COLLECTION)
    since: int = column("batch from which on it counts; above 0 after a repair", ge=0)
    call: int = column("place among the calls, from 0", ge=0)
    source: str = column(_SOURCE)
    step: str = column("what it was asked for: schema, pseudo-labels, synthesis, direct")
    model: str = column("name of the model")
    key: str = column("hash of the question, the sampling and the model")
    text: str = column("the answer")
    prompt_tokens: int = column("tokens of the prompt", ge=0)
    completion_tokens: int = column("tokens of the answer", ge=0)
    seconds: float | None = column("the answer took; null where not timed", unit="s", ge=0)


class Attributes(
    Contract, table="attributes", unique=("source", "attribute"), partition=("collection",)
):
    """The columns of the wide tables: attribute, name and type, inferred from the first batch."""

    collection: str = column(_COLLECTION)
    source: str = column("source; the wide table has its name")
    attribute: str = column("attribute as its source spells it")
    place: int = column("place among the columns, from 0", ge=0)
    column_name: str = column("name of the column")
    type: str = column("what its values are", isin=["integer", "number", "date", "list", "text"])
