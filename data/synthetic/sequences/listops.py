"""ListOps by the distribution of Long Range Arena (Nangia and Bowman 2018; Tay et al. 2021).

Nested lists such as [MAX 2 9 [MIN 4 7 ] 0 ]: tokens without parentheses, one token a bracket.
"""

from __future__ import annotations

import numpy as np

from data.synthetic.sequences.examples import Examples

PAD = 0
_OPERATORS = ("[MIN", "[MAX", "[MED", "[SM")
TOKENS = ("<pad>", *map(str, range(10)), *_OPERATORS, "X")  # X closes a list
_CLOSE = len(TOKENS) - 1
_MOST_ARGUMENTS, _DEPTH, _LEAF = 10, 10, 0.75


def listops(rng: np.random.Generator, n: int, shortest: int = 500, longest: int = 2000) -> Examples:
    """n different trees of `shortest` < length < `longest`, padded on the right to `longest`.

    The class is the value of the tree, 0 to 9. Length counts 2 per operator and 1 a leaf.
    """
    if not 0 <= shortest < longest - 1:
        raise ValueError(f"listops: lengths between {shortest} and {longest} do not exist")
    inputs = np.full((n, longest), PAD, np.int64)
    targets = np.empty(n, np.int64)
    seen: set[tuple[int, ...]] = set()
    while len(seen) < n:
        tokens: list[int] = []
        value = _tree(rng, tokens, 1, longest)
        if shortest < len(tokens) < longest and tuple(tokens) not in seen:
            inputs[len(seen), : len(tokens)] = tokens
            targets[len(seen)] = value
            seen.add(tuple(tokens))
    return Examples(inputs, targets)


def evaluate(tokens: list[int]) -> int:
    """The value of a tree written as tokens, read independently of how it was drawn."""
    stack: list[list[int]] = [[]]
    operators: list[int] = []
    for token in tokens:
        if token == _CLOSE:
            value = _applied(operators.pop(), stack.pop())
            stack[-1].append(value)
        elif token > 10:
            operators.append(token - 11)
            stack.append([])
        elif token != PAD:
            stack[-1].append(token - 1)
    [[value]] = stack
    return value


def _tree(rng: np.random.Generator, tokens: list[int], depth: int, longest: int) -> int:
    """Writes a tree's tokens, and gives its value; stops growing when it is too long anyway."""
    if len(tokens) >= longest or depth >= _DEPTH or rng.random() < _LEAF:
        digit = int(rng.integers(10))
        tokens.append(digit + 1)
        return digit
    operator = int(rng.integers(len(_OPERATORS)))
    tokens.append(operator + 11)
    count = int(rng.integers(2, _MOST_ARGUMENTS + 1))
    arguments = [_tree(rng, tokens, depth + 1, longest) for _ in range(count)]
    tokens.append(_CLOSE)
    return _applied(operator, arguments)


def _applied(operator: int, arguments: list[int]) -> int:
    match operator:
        case 0:
            return min(arguments)
        case 1:
            return max(arguments)
        case 2:
            return int(np.median(arguments))
    return sum(arguments) % 10
