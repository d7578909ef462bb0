import json

import pytest

from models.lm.interface import Sampling
from models.lm.replay import Recorder, Replay

SAMPLING = Sampling(max_tokens=4)


@pytest.fixture
def recorded(llama, tmp_path):
    path = tmp_path / "answers.jsonl"
    recorder = Recorder(llama(), path)
    told = (
        recorder.generate(["one", "zwei é"], SAMPLING),
        recorder.score([("one", " two")]),
        recorder.chat_prompt("user", "system"),
    )
    return path, told


def test_a_replay_answers_as_the_model_did(recorded):
    path, (completions, scores, chat) = recorded
    replay = Replay(path)
    assert (replay.name, replay.context) == ("random:llama-tiny", 512)
    assert replay.generate(["zwei é", "one"], SAMPLING) == completions[::-1]
    assert replay.score([("one", " two")]) == scores
    assert replay.chat_prompt("user", "system") == chat


def test_a_missing_request_is_told(recorded):
    replay = Replay(recorded[0])
    with pytest.raises(ValueError, match=r"no answer to generate 'three' with .*max_tokens.*:4"):
        replay.generate(["one", "three"], SAMPLING)
    with pytest.raises(ValueError, match="no answer to generate 'one'"):
        replay.generate(["one"], Sampling(max_tokens=5))
    with pytest.raises(ValueError, match="no answer to score 'one'"):
        replay.score([("one", " three")])
    with pytest.raises(ValueError, match="no answer to chat 'other'"):
        replay.chat_prompt("other")
    for arrays in (replay.embed, replay.hidden_states):
        with pytest.raises(NotImplementedError):
            arrays(["one"])


def test_recording_goes_on_where_it_stopped(recorded, llama):
    path, _ = recorded
    [more] = Recorder(llama(), path).generate(["three"], SAMPLING)
    assert Replay(path).generate(["three"], SAMPLING) == [more]
    assert Replay(path).generate(["one"], SAMPLING)


def test_what_is_not_recorded_still_works_while_recording(llama, tmp_path):
    recorder = Recorder(llama(), tmp_path / "answers.jsonl")
    assert recorder.embed(["a"]).shape == (1, 48)
    assert recorder.hidden_states(["a"])[0].shape == (1, 48)


def test_answers_of_different_models_are_not_mixed(recorded, merging):
    with pytest.raises(ValueError, match="holds answers of random:llama-tiny"):
        Recorder(merging, recorded[0])


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("", "is empty"),
        ("{", "line 1 is no recorded request"),
        ('{"kind": "generate"}', "line 1 .*lacks"),
        ('{"model": "m", "context": 1}\n[]', "line 2 .*lacks"),
        ('{"model": "m", "context": 1}\nnull', "line 2 is no recorded request"),
    ],
)
def test_a_damaged_recording_names_the_line(tmp_path, content, told):
    path = tmp_path / "answers.jsonl"
    path.write_text(content)
    with pytest.raises(ValueError, match=told):
        Replay(path)


def test_no_recording_is_told(tmp_path):
    with pytest.raises(ValueError, match="no recorded answers at"):
        Replay(tmp_path / "none.jsonl")


def test_a_recording_is_lines_that_people_can_read(recorded):
    lines = [json.loads(line) for line in recorded[0].read_text("utf-8").splitlines()]
    assert lines[0] == {"model": "random:llama-tiny", "context": 512}
    assert [line["kind"] for line in lines[1:]] == ["generate", "generate", "score", "chat"]
    assert "zwei é" in recorded[0].read_text("utf-8")
