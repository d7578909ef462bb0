"""TART: a task-agnostic reasoning head for few-shot classification (Bhatia et al., 2023).

One causal Transformer is trained once, on random logistic-regression problems, and then predicts a
query's label from k labelled examples in its context, on any representation, without training.

    config      sizes and recipes: TINY, SMALL, STANDARD; the quick recipe and PAPER_RECIPE
    module      ReasoningHead: points and labels in, a logit for every point out
    train       the training loop over an infinite stream of problems; weights to and from bytes
    baselines   logistic regression on every prefix, the majority vote
    scores      accuracy, AUC and Brier score of all methods on the same queries

Deviations from the paper and its code

- No word-embedding table. The authors' head carries GPT-2's, unused: 12,865,792 of its 22,480,129
  parameters. Ours has 9,614,337 at the same sizes (STANDARD), all in use.
- `tokens="paired"` and `positions="none"` (the defaults; the paper's are "interleaved" and
  "learned"). A labelled example is one token (x, +-1) and a query one token (x, 0) that no other
  token sees. A query reaches every example in one hop, and the place of an example, which means
  nothing, is not encoded. On two cores this ends the plateau before in-context learning starts:
  interleaved tokens are still at ln 2 when paired ones have nearly reached logistic regression.
- `targets="probabilities"` (default): the loss compares with sigmoid(x . w), which the synthetic
  law knows, instead of the sampled label. The expected gradient is the same, its noise is lower.
  The labels in the context stay sampled. The paper's "labels" are selectable.
- The trunk's matrices are trained by Muon and the rest by Adam, with warm-up, cosine decay and
  clipping, instead of Adam at a constant 1e-4. PAPER_RECIPE restores the latter.
- The defaults need no curriculum: at d = 4 and 34 points the plateau is over in some fifty steps,
  and a curriculum would have to be paid for with steps at full length. The authors' curricula are
  named constants of data/synthetic/logistic.py.
- Logistic regression is penalised by 1/alpha^2, the prior of the law at alpha 10, where the paper's
  is not: at few examples, most problems are separable and an unpenalised fit has no optimum, so
  this bar is the higher one. `ScoresConfig(penalty=0)` is the paper's.
- `read_out` starts at standard deviation 0.02 as all other matrices do (the authors leave PyTorch's
  default), so that the loss starts at ln 2.
- The query's label token is never needed: the label is masked by causality during training and
  absent at inference, where the authors append the true test label.
"""
