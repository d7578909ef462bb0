"""TART: a task-agnostic reasoning head for few-shot classification (Bhatia et al., 2023).

One causal Transformer is trained once, on random logistic-regression problems, and then predicts a
query's label from k labelled examples in its context, on any representation, without training.

    config      sizes and recipes: TINY, SMALL, STANDARD; the quick recipe and PAPER_RECIPE
    module      ReasoningHead: points and labels in, a logit for every point out, by a trunk of
                attention, Hyena or H3
    train       the training loop over an infinite stream of problems; weights to and from bytes
    baselines   logistic regression on every prefix, the majority vote
    scores      accuracy, AUC and Brier score of all methods on the same synthetic queries
    shots       which labelled examples are shown
    features    representations to points: principal components, whitened
    predict     class probabilities from points; one class against the rest
    prompts     examples and queries as tokens whose spans are known
    attending   attention over a shared context, put together from parts
    remembering keys and values of what was read, in memory taken once
    contexts    a language model that has read the examples, asked many things at once
    embedding   representations of texts: vanilla, leave-one-out; log-probabilities of labels
    encoders    a sentence encoder as base model
    choice      queries put aside, then examples: one choice for all methods
    compare     TART, regressions, linear head and in-context learning on one choice
    tuning      fine-tuning all weights of a language model to the examples
    gaps        what in-context learning lacks, in two parts
    benchmark   the cost of one call of the head, and what sharing prefixes saves
    shipped     heads that come trained, verified against their cards

Deviations from the paper and its code

- No word-embedding table. The authors' head carries GPT-2's, unused: 12,865,792 of its 22,480,129
  parameters. Ours has 9,614,337 at the same sizes (STANDARD), all in use.
- `tokens="paired"`, `positions="none"` and `attention="context"` (the defaults; the paper's are
  "interleaved", "learned" and "causal"). A labelled example is one token (x, +-1) and a query one
  token (x, 0) that no other token sees. All examples see one another: their order, which means
  nothing, changes nothing, and each layer can refine what the examples say together, where a causal
  example never learns of those after it. At D = 16 the plateau before in-context learning starts is
  over within a hundred steps, where the paper's layout takes thousands.
- `activation="relu2"`: relu(u)^2 takes a tenth of GELU's time on a processor and learns as fast.
- `targets="probabilities"` (default): the loss compares with sigmoid(x . w), which the synthetic
  law knows, instead of the sampled label. The expected gradient is the same, its noise is lower.
  The labels in the context stay sampled. The paper's "labels" are selectable.
- The trunk's matrices are trained by Muon and the rest by Adam, with warm-up, decay and clipping,
  instead of Adam at a constant 1e-4. PAPER_RECIPE restores the latter.
- The defaults need no curriculum: at d = 4 the plateau is over in some fifty steps, and growing
  would have to be paid for with steps at full length. The authors' curricula are named
  constants of data/synthetic/logistic.py.
- `penalised regression` beside the paper's logistic regression without penalty: at few examples
  most problems are separable and an unpenalised fit has no optimum: this is the harder bar.
- Whitening takes a principal component for every two examples, at most D = 16, where the paper
  takes 16 of any number and so needs k > 16 not to divide by next to nothing. At k = 18 nine
  components classify better than 16 on every kind of input at hand but MNIST, where they are equal.
- A tie of classes in the examples is broken by chance, examples are shuffled in every mode, and
  examples beyond the head's length are refused, not cut.
- `read_out` starts at standard deviation 0.02 as all other matrices do (the authors leave PyTorch's
  default), so that the loss starts at ln 2.
- `telling labels apart`: in-context learning compares the classes by the first token in which their
  names differ, so that it never answers anything else; the paper counts other answers as wrong.
- The query's label token is never needed: the label is masked by causality during training and
  absent at inference, where the authors append the true test label.
"""
