"""Pandas is not loaded before it is asked for, and is there when it is."""

import subprocess
import sys

CODE = """
import sys
from tasks.lean import without_pandas
import pyarrow as pa
without_pandas()
table = pa.table({"a": pa.array([1, 2])})
assert "pandas" not in sys.modules
print(table.to_pandas()["a"].sum())
"""
LIGHT = """
import sys
import flows.aggregating, flows.suites
print(sorted({"pandas", "pandera", "prefect", "torch"} & set(sys.modules)))
"""


def printed(code):
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_pandas_is_not_looked_for_and_still_to_be_had():
    assert printed(CODE) == "3"


def test_aggregating_loads_nothing_heavy():
    assert printed(LIGHT) == "[]"
