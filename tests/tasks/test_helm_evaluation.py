"""An evaluation that is killed goes on where it was."""

import signal
import subprocess
import sys

from data.lake import Lake
from models.helm.config import EvaluationConfig
from models.lm.config import ModelConfig
from tasks.helm_evaluation import data_digest, helm_documents
from tasks.lm import language_model
from tasks.provenance import alone

CONFIG = EvaluationConfig(
    models=(ModelConfig(name="random:llama-tiny", threads=1, truncate="left"),),
    generated=("recall", "dyck_language", "synthetic_reasoning"),
    instances=2,
)
# It dies when it is about to put the third scenario to the model.
KILLED = """
import os, signal, sys
from models.helm.config import EvaluationConfig
from tasks import helm_evaluation as evaluation
from tasks.lm import language_model
from tasks.provenance import alone

config = EvaluationConfig.model_validate_json(sys.argv[1])
answer, asked = evaluation.answer, []

def dying(scenario, *others):
    asked.append(scenario)
    if len(asked) == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return answer(scenario, *others)

evaluation.answer = dying
with alone():
    models = [language_model(model) for model in config.models]
    evaluation.helm_documents(models, config, evaluation.data_digest(config))
"""


def requests(lake):
    """(kind, prompt, parameters) of every request that was answered, in the order it was."""
    names = ["kind", "prompt", "parameters"]
    found = [lake.reference(c).read(names).to_pylist() for c in lake.commits("lm_requests")]
    return [tuple(row.values()) for rows in found for row in rows]


def test_a_killed_evaluation_repeats_no_request(lake_url, tmp_path, monkeypatch):
    monkeypatch.setenv("HEADWATER_MODELS", str(tmp_path / "models"))
    command = [sys.executable, "-c", KILLED, CONFIG.model_dump_json()]
    assert subprocess.run(command, check=False).returncode == -signal.SIGKILL
    lake = Lake(lake_url)
    before = requests(lake)
    assert before
    assert not lake.commits("helm_documents")
    with alone():
        models = [language_model(model) for model in CONFIG.models]
        documents = helm_documents(models, CONFIG, data_digest(CONFIG))
    assert {row["kind"] for row in documents.read().to_pylist()} >= {"scenario_state"}
    after = requests(lake)
    assert after[: len(before)] == before
    assert len(after) > len(before)
    assert len(set(after)) == len(after)
