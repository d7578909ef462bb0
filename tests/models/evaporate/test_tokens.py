"""The paper's arithmetic of tokens, and the prediction before a run."""

import pytest

from models.evaporate import tokens
from models.evaporate.tokens import PAPER_TABLE_3, Source, predict


def test_110_is_the_mean_of_the_five_ratios() -> None:
    assert tokens.paper_ratio() == pytest.approx(110.4)


@pytest.mark.parametrize("row", PAPER_TABLE_3.values(), ids=PAPER_TABLE_3)
def test_printed_ratios_follow_from_printed_tokens(row: tokens.Row) -> None:
    # Both are printed with two digits, so a ratio may be off by that much.
    assert row.direct / row.code_plus == pytest.approx(row.ratio, rel=0.06)


def test_the_ratio_of_means_is_another_figure() -> None:
    direct = sum(row.direct for row in PAPER_TABLE_3.values())
    code_plus = sum(row.code_plus for row in PAPER_TABLE_3.values())
    assert direct / code_plus == pytest.approx(133, abs=1)


def test_crossovers_of_figure_3() -> None:
    assert tokens.crossover_documents(10, 40_000, 10_000) == 40
    assert tokens.crossover_attributes(10_000, 40_000, 10_000) == 2_500


def test_an_attribute_costs_what_the_paper_says() -> None:
    source = Source(documents=10_000, characters=400_000_000, attributes=10)
    assert 40_000 <= tokens.per_attribute(source) <= 75_000


def test_only_direct_grows_with_the_documents() -> None:
    few, many = (
        {c.strategy: c for c in predict(Source(n, n * 30_000, attributes=12))} for n in (100, 1000)
    )
    assert many["DIRECT"].tokens == 10 * few["DIRECT"].tokens
    assert many["DIRECT"].at_scale == few["DIRECT"].at_scale
    assert many["CODE+"] == few["CODE+"]
    assert few["CODE"].tokens < few["CODE+"].tokens
    assert few["DIRECT"].at_scale > 100 * few["CODE+"].at_scale


def test_small_documents_and_few_samples_cost_less() -> None:
    assert predict(Source(3, 300, 1))[2].tokens < predict(Source(30, 300_000, 1))[2].tokens
    with pytest.raises(ValueError, match="at least one"):
        predict(Source(0, 0, 1))
