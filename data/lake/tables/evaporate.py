"""Tables of EVAPORATE: documents, labels, extraction functions, what they extract, how well."""

from data.lake.contract import Contract, column


class Documents(Contract, table="documents", unique=("source", "doc_id"), partition=("source",)):
    """Texts as they lie on disk, and which of them serve as labelled examples."""

    source: str = column("collection the document belongs to")
    doc_id: str = column("name of the document within its source")
    text: str = column("the whole text, line ends included")
    bytes: int = column("size of the file", unit="bytes", ge=1)
    sha256: str = column("SHA-256 of the file's bytes, hexadecimal")
    sample: bool = column("whether it is one of the labelled examples")


class Gold(Contract, table="gold", unique=("source", "doc_id", "attribute"), partition=("source",)):
    """True values of every document and attribute; induction reads those of the samples only."""

    source: str = column("collection the document belongs to")
    doc_id: str = column("document")
    attribute: str = column("attribute as its source spells it")
    value: str | None = column("true value; null if the document has none")


class Functions(
    Contract,
    table="functions",
    unique=("source", "attribute", "function_id"),
    partition=("source",),
):
    """Candidate extraction functions with their scores on the examples and the verdict on them."""

    source: str = column("collection the function is made for")
    attribute: str = column("attribute it extracts")
    function_id: str = column("kind and hash of the specification")
    kind: str = column(
        "way of finding a value", isin=["label", "heading", "between", "shape", "line"]
    )
    spec: str = column("the function as JSON")
    origin: str = column("what made it", isin=["inducer"])
    rank: int = column("place among the attribute's candidates, 1 is best", ge=1)
    score: float = column("Text F1 on the examples, mean [0..1]", ge=0, le=1)
    median: float = column("Text F1 on the examples, median [0..1]", ge=0, le=1)
    coverage: float = column("share of the examples with an answer [0..1]", ge=0, le=1)
    abstain: bool = column("an empty answer is no vote; false: it is a vote for 'no value'")
    votes: int = column("votes it has: its own and those of functions that answer alike", ge=0)
    kept: bool = column("whether it votes")
    reason: str | None = column("why it does not vote; null if it does")


class Extractions(
    Contract,
    table="extractions",
    unique=("source", "doc_id", "attribute"),
    partition=("source",),
):
    """The value the functions agree on for every document and attribute, and where it stands."""

    source: str = column("collection the document belongs to")
    doc_id: str = column("document")
    attribute: str = column("attribute")
    value: str | None = column("extracted value, text[start:end]; null if there is none")
    posterior: float = column("share of the votes for it [0..1]; 0 if nobody voted", ge=0, le=1)
    start: int | None = column("where the value begins in the text", unit="characters", ge=0)
    end: int | None = column("where it ends, exclusive", unit="characters", ge=0)
    functions: list[str] = column("function_id of the functions that voted for it, best first")


class ExtractionScores(
    Contract,
    table="extraction_scores",
    unique=("source", "strategy", "attribute", "metric"),
    partition=("source",),
):
    """Agreement of extracted with true values on the documents that were not examples."""

    source: str = column("collection of documents")
    strategy: str = column("who answers: the majority vote or one of its baselines")
    attribute: str = column("attribute; macro: mean over all; all: the facts of all pooled")
    metric: str = column(
        "text_f1 (closed IE), pair_precision, pair_recall, pair_f1 (open IE), exact_match",
        isin=["text_f1", "exact_match", "pair_precision", "pair_recall", "pair_f1"],
    )
    value: float = column("the figure [0..1]", ge=0, le=1)
    n: int = column("documents scored", ge=1)


class Packages(Contract, table="packages", unique=("doc_id",)):
    """One row per installed Python package: what the functions read from its METADATA file."""

    doc_id: str = column("normalised name of the package")
    name: str | None = column("Name")
    version: str | None = column("Version")
    summary: str | None = column("Summary")
    requires_python: str | None = column("Requires-Python")
    license: str | None = column("License, free text")
    license_expression: str | None = column("License-Expression, an SPDX expression")
    author: str | None = column("Author")
    author_email: str | None = column("Author-email")
    home_page: str | None = column("Home-page")
    keywords: str | None = column("Keywords")
