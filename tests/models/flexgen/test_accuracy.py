"""Perplexity with and without 4 bits, as rows of a comparison."""

from models.flexgen.accuracy import AccuracyConfig, accuracy
from models.flexgen.config import Budgets, Policy
from models.flexgen.engine import Engine
from models.flexgen.perplexity import perplexity


def test_each_kind_of_rounding_is_compared_with_doing_without(tiny, tmp_path):
    weights = tiny("llama").weights
    ids = [5 + 7 * i % 120 for i in range(90)]
    config = AccuracyConfig(tokens=80, window=30, weight_group=4, cache_group=4)
    rows = list(accuracy(weights, "tiny", ids, config, tmp_path))
    policy, budgets = Policy(gbs=1, nb=4), Budgets(1 << 26, 1 << 26, tmp_path)
    with Engine(weights, policy, budgets) as engine:
        full = perplexity(engine, ids[:80], 30)
    assert [row.peer_value for row in rows] == [full.value, full.value, rows[0].ours_value]
    assert all(row.ours_value != row.peer_value for row in rows)
    assert all(row.unit == "perplexity" and not row.higher_is_better for row in rows)
    assert "77 tokens" in rows[0].size
