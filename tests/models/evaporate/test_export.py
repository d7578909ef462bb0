"""An exported file gives what the ensemble gives, without Headwater on the path."""

import json
import subprocess
import sys
from pathlib import Path

from models.evaporate.code import CodeFunction
from models.evaporate.corpus import Document
from models.evaporate.export import module_of
from models.evaporate.functions import LabelFunction
from models.evaporate.voting import Ensemble, extract

NAME = LabelFunction(labels=("name",), extent="line")
CODE = CodeFunction(source="import re\ndef f(text):\n    return re.findall('Name: (A.*)', text)\n")
WRONG = CodeFunction(source="def f(text):\n    return 1 / 0\n")
ENSEMBLES = {
    "name": Ensemble([NAME, CODE, WRONG], [2, 1, 1], abstain=True, accuracy=[0.9, 0.6, 0.6]),
    "age": Ensemble([LabelFunction(labels=("age",), extent="line")], [1], abstain=False),
    "none": Ensemble([], [], abstain=True),
}
TEXTS = ["Name: Ada\nAge: 3", "Name: Bo", "nothing at all", ""]


def test_the_file_extracts_what_the_ensemble_does(tmp_path: Path) -> None:
    (tmp_path / "people.py").write_text(module_of("people", ENSEMBLES, classes=5))
    asked = (
        "import json, people; print(json.dumps([people.extract(t) for t in json.load(open(0))]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", asked],
        cwd=tmp_path,
        input=json.dumps(TEXTS),
        capture_output=True,
        text=True,
        check=True,
        env={"PATH": ""},
    )
    documents = [Document(str(i), text) for i, text in enumerate(TEXTS)]
    expected: list[dict[str, str | None]] = [{} for _ in TEXTS]
    for cell in extract(documents, ENSEMBLES):
        expected[int(cell.doc_id)][cell.attribute] = cell.answer.value if cell.answer else None
    assert json.loads(done.stdout) == expected
    assert expected[0] == {"name": "Ada", "age": "3", "none": None}
