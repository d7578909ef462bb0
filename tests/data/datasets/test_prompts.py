"""Prompt files of every form, and everything that can be wrong with one."""

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from data.datasets.prompts import Prompt, file_digest, read_prompts

TEXTS = ["Once upon a time", 'a "quoted", comma', "Zürich → naïve", "two\u2028separators\x0cin one"]
WANTED = [Prompt(n, text) for n, text in enumerate(TEXTS, start=1)]


def write(path, texts, column="prompt"):
    match path.suffix:
        case ".parquet":
            pq.write_table(pa.table({"id": range(len(texts)), column: texts}), path)
        case ".jsonl":
            path.write_text("\n".join(json.dumps({"id": 1, column: t}) for t in texts), "utf-8")
        case ".csv":
            quoted = [t.replace('"', '""') for t in texts]
            path.write_text(f"id,{column}\n" + "".join(f'1,"{t}"\n' for t in quoted), "utf-8")
        case _:
            path.write_text("\n".join(texts), "utf-8")
    return path


@pytest.mark.parametrize("ending", ["txt", "jsonl", "csv", "parquet"])
def test_every_form_gives_the_same_prompts(tmp_path, ending):
    assert read_prompts(write(tmp_path / f"p.{ending}", TEXTS)) == WANTED


@pytest.mark.parametrize("ending", ["jsonl", "csv", "parquet"])
@pytest.mark.parametrize("column", ["text", "question"])
def test_the_column_is_prompt_else_text_else_the_one_that_is_named(tmp_path, ending, column):
    path = write(tmp_path / f"p.{ending}", TEXTS, column)
    assert read_prompts(path, column) == WANTED
    if column == "text":
        assert read_prompts(path) == WANTED
    else:
        with pytest.raises(ValueError, match="no column 'prompt' or 'text'; columns: id, question"):
            read_prompts(path)
    with pytest.raises(ValueError, match=f"no column 'nope'; columns: id, {column}"):
        read_prompts(path, "nope")


def test_lines_keep_their_numbers_whatever_ends_them(tmp_path):
    (tmp_path / "p.txt").write_bytes(b"\xef\xbb\xbfone\r\n\r\n  \nfour\n")
    assert read_prompts(tmp_path / "p.txt") == [Prompt(1, "one"), Prompt(4, "four")]


def test_json_lines_may_be_bare_strings(tmp_path):
    (tmp_path / "p.jsonl").write_text('"one"\n\n"three"\n')
    assert read_prompts(tmp_path / "p.jsonl") == [Prompt(1, "one"), Prompt(3, "three")]


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("p.txt", b"", "it holds no prompts"),
        ("p.txt", b"\n  \n", "it holds no prompts"),
        ("p.csv", b"", "it holds no prompts"),
        ("p.csv", b"prompt\n", "it holds no prompts"),
        ("p.jsonl", b"", "it holds no prompts"),
        ("p.txt", b"fine\nbad \xe9 byte", r"not UTF-8 at byte 9 \(0xe9\)"),
        ("p.txt", b"\xef\xbb\xbfbad \xe9", r"not UTF-8 at byte 7 \(0xe9\)"),
        ("p.csv", b"prompt\n\xff", r"not UTF-8 at byte 7 \(0xff\)"),
        ("p.jsonl", b'{"prompt": "a"}\n{"prompt": ', "line 2: not JSON"),
        ("p.jsonl", b'{"prompt": 7}', "line 1: the prompt is no text: 7"),
        ("p.jsonl", b'{"prompt": null}', "line 1: the prompt is blank"),
        ("p.jsonl", b'{"a": "x", "b": "y"}', "line 1: no column 'prompt' or 'text'; columns: a, b"),
        ("p.csv", b'a,prompt\n1,x\n1,""\n', "row 2: the prompt is blank"),
        ("p.csv", b"a,prompt\n1,x,y\n", "row 1: 3 cells where the header has 2"),
        ("p.csv", b'prompt\n"open', "line 2: not CSV"),
        ("p.parquet", b"PAR1 not really", "not Parquet"),
    ],
)
def test_what_is_wrong_is_one_line_that_names_file_and_place(tmp_path, name, content, told):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(ValueError, match=told) as error:
        read_prompts(path)
    assert str(error.value).startswith(str(path))
    assert "\n" not in str(error.value)


def test_a_missing_file_a_folder_and_a_text_with_a_column(tmp_path):
    with pytest.raises(ValueError, match="there is no such file"):
        read_prompts(tmp_path / "none.txt")
    with pytest.raises(ValueError, match="give a file, not a folder"):
        read_prompts(tmp_path)
    with pytest.raises(ValueError, match="a text has no column 'x'"):
        read_prompts(write(tmp_path / "p.txt", TEXTS), "x")


def test_the_digest_is_that_of_the_bytes(tmp_path):
    (tmp_path / "p").write_bytes(b"abc")
    wanted = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert file_digest(tmp_path / "p") == wanted
    with pytest.raises(ValueError, match="no such file"):
        file_digest(tmp_path / "none")
