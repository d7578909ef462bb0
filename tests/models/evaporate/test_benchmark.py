"""The benchmark runs what it says it runs."""

from models.evaporate.benchmark import sandbox_speed, written_functions
from models.evaporate.sandbox.gate import admit


def test_a_hundred_functions_pass_the_gate() -> None:
    functions = written_functions()
    assert len({function.function_id for function in functions}) == 100
    for function in functions:
        admit(function.source)


def test_one_row_of_milliseconds() -> None:
    [row] = sandbox_speed(["Applicant: x\nPanel: y\n\n" * 20] * 4, runs=1)
    assert row.size == "100 functions x 4 documents"
    assert row.ours_value > 0
