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
        isin=("tart", "logistic regression", "bayes", "majority"),
    )
    k: int = column("few-shot examples before the query", ge=1)
    seed: int = column("random seed of the tasks and examples", ge=0)
    accuracy: float = column("share of queries predicted, at the threshold 1/2", ge=0, le=1)
    auc: float | None = column(
        "area under the ROC curve, all queries pooled; null when they have one label", ge=0, le=1
    )
    brier: float = column("mean squared distance of probability and label", ge=0, le=1)
    n_test: int = column("queries", ge=1)
