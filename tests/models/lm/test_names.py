import pytest
from pydantic import ValidationError

from models.lm.config import DEFAULT_MODEL, ModelConfig, OffloadConfig, ServerConfig
from models.lm.names import (
    KNOWN,
    Hub,
    LocalFolder,
    LocalGguf,
    RandomShape,
    label,
    source_of,
)


def test_every_kind_of_name_means_its_source(tmp_path, monkeypatch):
    (tmp_path / "folder").mkdir()
    (tmp_path / "file.gguf").touch()
    monkeypatch.chdir(tmp_path)
    assert source_of(DEFAULT_MODEL) is KNOWN[DEFAULT_MODEL]
    assert source_of("random:llama-tiny@7") == RandomShape("random:llama-tiny@7", "llama-tiny", 7)
    assert source_of("random:opt-tiny").seed == 0
    assert source_of(f"random:{DEFAULT_MODEL}@2").shape == DEFAULT_MODEL
    assert source_of("org/model") == Hub("org/model", "org/model", "main")
    assert source_of("org/model@v1.0") == Hub("org/model@v1.0", "org/model", "v1.0")
    assert source_of("folder") == LocalFolder(str(tmp_path / "folder"), tmp_path / "folder")
    assert source_of("./file.gguf") == source_of(str(tmp_path / "file.gguf"))
    assert isinstance(source_of("file.gguf"), LocalGguf)


def test_a_table_never_shows_a_path(tmp_path):
    assert label(source_of(str(tmp_path))) == tmp_path.name
    assert label(source_of("org/model")) == "org/model"


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("smolm2-135m-instruct", "did you mean smollm2-135m-instruct"),
        ("smollm2", "did you mean smollm2-135m-instruct"),
        ("what is this", "known: smollm2-135m-instruct"),
        ("random:lama-tiny", "did you mean random:llama-tiny"),
        ("random:llama-tiny@x", "random:SHAPE@SEED"),
        ("random:", "SHAPE one of llama-tiny"),
        ("./missing", "no such file or folder"),
        ("/missing/model", "no such file or folder"),
        ("missing.gguf", "no such file or folder"),
        ("a/b/c", "no model 'a/b/c'"),
    ],
)
def test_a_name_that_means_nothing_is_told_in_one_line(name, told):
    with pytest.raises(ValueError, match=r".") as error:
        source_of(name)
    assert told in str(error.value)
    assert "\n" not in str(error.value)


def test_a_file_that_is_no_gguf_is_told(tmp_path):
    (tmp_path / "weights.bin").touch()
    with pytest.raises(ValueError, match=r"give a folder with safetensors or a .gguf file"):
        source_of(str(tmp_path / "weights.bin"))


@pytest.mark.parametrize(
    "settings",
    [
        {"backend": "openai"},
        {"backend": "transformers", "server": ServerConfig()},
        {"backend": "gguf", "offload": OffloadConfig()},
        {"name": ""},
        {"device": "gpu"},
        {"threads": 0},
        {"backend": "openai", "server": {"base_url": "localhost"}},
        {"backend": "openai", "server": {"key": "sk-secret"}},
    ],
    ids=str,
)
def test_settings_that_make_no_sense_fail_before_anything_runs(settings):
    with pytest.raises(ValidationError):
        ModelConfig(**settings)


def test_where_the_disk_is_does_not_show():
    config = ModelConfig(backend="offload", offload=OffloadConfig(disk="/somewhere"))
    assert "/somewhere" not in config.model_dump_json()
