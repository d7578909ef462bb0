"""Tables of TART: synthetic problems, the training of a reasoning head, and its scores."""

from data.lake.contract import Contract, column


class LogisticTasks(
    Contract, table="logistic_tasks", unique=("task", "d", "alpha", "position", "seed")
):
    """Evaluation problems of the synthetic logistic law, one row a point, in sequence order."""

    task: int = column("number of the problem within its (d, alpha)", ge=0)
    d: int = column("live coordinates; the others are exactly 0", ge=1)
    alpha: float = column("scale of the weights w: the inverse noise of the labels", gt=0)
    position: int = column("place in the sequence = number k of examples before it", ge=0)
    x: list[float] = column("the point, all D coordinates, float32 values")
    y: int = column("sampled label, 0 or 1", ge=0, le=1)
    p_true: float = column("sigmoid(x . w), the probability that the label is 1", ge=0, le=1)
    seed: int = column("random seed of the problems", ge=0)


class TartTraining(Contract, table="tart_training", unique=("step",)):
    """Training of one reasoning head: a row per logged step, the weights in the last one."""

    step: int = column("optimisation steps done", unit="steps", ge=1)
    dimension: int = column("live coordinates d of the curriculum at this step", ge=1)
    points: int = column("points P a sequence of the curriculum at this step", ge=1)
    loss: float = column("binary cross entropy, mean since the row before", unit="nats", ge=0)
    accuracy: float = column(
        "share of sampled labels predicted, all positions, mean since the row before", ge=0, le=1
    )
    seconds: float = column("wall time since the start of training", unit="s", ge=0)
    weights: bytes | None = column("the trained head as safetensors; null before the last row")
    config: str = column("stream, head and training configuration as JSON")


class ReasoningHeads(Contract, table="reasoning_heads", unique=("name",)):
    """Reasoning heads that come trained, with their cards."""

    name: str = column("name it is asked for by")
    step: int = column("optimisation steps it was trained for", unit="steps", ge=1)
    parameters: int = column("trained numbers", ge=1)
    width_in: int = column("coordinates D of a point", ge=1)
    examples: int = column("most few-shot examples k it reads", ge=1)
    sha256: str = column("SHA-256 of the weights' file")
    licence: str = column("licence of the weights")
    config: str = column("stream, head and training configuration as JSON")
    weights: bytes = column("the weights as safetensors")


class FewShotItems(Contract, table="few_shot_items", unique=("task", "item")):
    """Labelled items of classification tasks: a text, or a row of numbers."""

    task: str = column("what is classified")
    modality: str = column("kind of input", isin=("text", "tabular", "vision"))
    item: int = column("number of the item within its task", ge=0)
    label: str = column("its class")
    text: str | None = column("the text; null without one")
    features: list[float] | None = column("the numbers, pixels for images; null for texts")


class FewShotEmbeddings(
    Contract,
    table="few_shot_embeddings",
    unique=("task", "base_model", "k", "seed", "role", "item"),
):
    """Representations of items by a frozen model: alone, or after k examples in one prompt."""

    task: str = column("what is classified")
    modality: str = column("kind of input")
    base_model: str = column("the frozen model; 'none' for numbers as they are")
    k: int = column("few-shot examples in the prompt; 0: every item alone", ge=0)
    seed: int = column("random seed of the choice of examples; 0 for items alone", ge=0)
    role: str = column(
        "shot: an example in the prompt; query: asked after it; free: a query without content",
        isin=("shot", "query", "free", "item"),
    )
    position: int = column("place of a shot in its prompt, of others in their order", ge=0)
    item: int = column("number of the item within its task; -1 without one", ge=-1)
    label: str | None = column("its class; null without one")
    vector: list[float] | None = column("representation: vanilla, or of the item alone")
    leave_one_out: list[float] | None = column("representation of a shot after the k - 1 others")
    label_logprobs: list[float] | None = column(
        "log-probability of the token that tells each class from the others, classes by name"
    )
    truncated: bool = column("whether a part of the text was not read")


class FewShotTuned(
    Contract, table="few_shot_tuned", unique=("task", "base_model", "k", "seed", "item")
):
    """What a language model predicts after all its weights were fitted to k examples."""

    task: str = column("what is classified")
    base_model: str = column("the model that was fitted")
    k: int = column("examples it was fitted to", ge=1)
    seed: int = column("random seed of examples and of the fit", ge=0)
    item: int = column("number of the query within its task", ge=0)
    label: str = column("its class")
    probabilities: list[float] = column("of the classes, by name")
    seconds: float = column("wall time of the fit, its queries included", unit="s", ge=0)


class TartScores(
    Contract,
    table="tart_scores",
    unique=("task", "modality", "base_model", "embedding", "method", "k", "seed"),
):
    """Few-shot quality of every method on the same tasks, queries and numbers of examples k."""

    task: str = column("what is classified, as in 'logistic d=4 alpha=10'")
    modality: str = column("kind of input: synthetic, tabular, text, vision, audio")
    base_model: str = column("frozen model whose representations are used; 'none' without one")
    embedding: str = column("how a representation is read from it; 'none' without one")
    method: str = column(
        "who predicts; bayes knows the law that the labels came from",
        isin=(
            "tart",
            "logistic regression",
            "penalised regression",
            "linear head",
            "fine-tuning",
            "icl",
            "calibrated icl",
            "bayes",
            "majority",
        ),
    )
    k: int = column("few-shot examples before the query", ge=1)
    seed: int = column("random seed of the tasks and examples", ge=0)
    accuracy: float = column("share of queries predicted, at the threshold 1/2", ge=0, le=1)
    auc: float | None = column(
        "area under the ROC curve, all queries pooled; null when they have one label", ge=0, le=1
    )
    brier: float = column("mean squared distance of probability and label", ge=0, le=1)
    n_test: int = column("queries", ge=1)


class TartGaps(Contract, table="tart_gaps", unique=("task", "base_model", "embedding", "k")):
    """Why in-context learning falls short: its gap to fine-tuning, parted into two.

    gap = accuracy_tuned - accuracy_icl = gap_representation + gap_reasoning, where a regression on
    the frozen representations stands between: what it lacks is in the representations, what it
    gains on in-context learning the model could have concluded from them.
    """

    task: str = column("what is classified")
    base_model: str = column("the language model")
    embedding: str = column("representations the regression reads")
    k: int = column("few-shot examples", ge=1)
    accuracy_icl: float | None = column("of in-context learning, mean over seeds", ge=0, le=1)
    accuracy_regression: float | None = column("of the regression, mean over seeds", ge=0, le=1)
    accuracy_tart: float | None = column("of TART, mean over seeds", ge=0, le=1)
    accuracy_tuned: float | None = column("of fine-tuning, mean over seeds", ge=0, le=1)
    gap: float | None = column("tuned - icl; null without one of them")
    gap_representation: float | None = column("tuned - regression")
    gap_reasoning: float | None = column("regression - icl")
    reasoning_share: float | None = column(
        "gap_reasoning / gap; null where fine-tuning is not ahead of in-context learning"
    )


class UserLabels(Contract, table="user_labels", unique=("source", "row")):
    """Labels given to the rows of a user's file from a few labelled ones."""

    source: str = column("file and column the rows came from")
    row: int = column("number of the row in the file, from 0", ge=0)
    text: str = column("what was read")
    given: str | None = column("label in the file; null where it had none")
    shot: bool = column("whether the row was one of the few shown to the method")
    label: str = column("the label given: that of the largest probability")
    probability: float = column("of that label", ge=0, le=1)
    probabilities: list[float] = column("of all classes")
    classes: list[str] = column("the classes, by name")
    truncated: bool = column("whether a part of the text was not read")
