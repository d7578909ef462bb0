"""Readers of evaluation data, on small files of the published forms and on the real ones."""

import gzip
import io
import json
import tarfile

import pytest

from data.datasets.evaluation import (
    evaluation_digest,
    read_factbook,
    read_raft,
    read_sms_spam,
    read_wikitext,
)


def test_messages_without_a_label_are_left_out(tmp_path):
    text = "label\tmessage\nham\tHello\nspam\tWin\tnow\nnothing\nother\tx\n"
    (tmp_path / "SMSSpamCollection").write_text(text)
    assert [(m.label, m.text) for m in read_sms_spam(tmp_path)] == [
        ("ham", "Hello"), ("spam", "Win\tnow"),
    ]  # fmt: skip


def test_a_raft_row_is_its_fields_in_order(tmp_path):
    (tmp_path / "task").mkdir()
    described = {"data_columns": ["ID", "Title", "Text"], "label_columns": {"Label": ["a", "b"]}}
    (tmp_path / "task" / "task.json").write_text(json.dumps(described))
    (tmp_path / "task" / "train.csv").write_text('Title,Text,Label,ID\nT,"x, y",b,1\n,z,a,2\n')
    task = read_raft(tmp_path, "task")
    assert task.labels == ["a", "b"]
    assert [(r.text, r.label) for r in task.rows] == [
        ("Title: T\nText: x, y", "b"),
        ("Text: z", "a"),
    ]


def test_headings_and_short_lines_are_no_paragraphs(tmp_path):
    long = " ".join(["word"] * 40)
    with gzip.open(tmp_path / "test.txt.gz", "wt") as file:
        file.write(f" = Heading = \n {long} \n short line \n")
    assert read_wikitext(tmp_path) == [long]


def test_a_country_needs_a_capital(tmp_path):
    def entry(name, capital):
        government = {
            "Country name": {"conventional short form": {"text": name}},
            "Capital": {"name": {"text": capital}},
        }
        return {"Government": government}

    entries = {
        "factbook/europe/fr.json": entry("France", "<b>Paris</b>; a remark"),
        "factbook/world/xx.json": entry("Ocean", "none"),
        "factbook/notes.json": {},
    }
    with tarfile.open(tmp_path / "factbook-json.tar.xz", "w:xz") as archive:
        for name, value in entries.items():
            content = json.dumps(value).encode()
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    [country] = read_factbook(tmp_path)
    assert (country.name, country.capital, country.currency) == ("France", "Paris", "")


@pytest.mark.parametrize(
    "read",
    [read_sms_spam, lambda folder: read_raft(folder, "task"), read_wikitext, read_factbook],
    ids=["sms_spam", "raft", "wikitext2", "factbook"],
)
def test_what_is_not_there_is_named(tmp_path, read):
    with pytest.raises(ValueError, match=str(tmp_path)):
        read(tmp_path)


def test_the_digest_follows_the_files_of_the_named_sets_alone(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_text(name)
    before = evaluation_digest(str(tmp_path), ["a"])
    (tmp_path / "b" / "file").write_text("changed")
    assert evaluation_digest(str(tmp_path), ["a"]) == before
    (tmp_path / "a" / "file").write_text("changed")
    assert evaluation_digest(str(tmp_path), ["a"]) != before


@pytest.mark.shared
def test_the_published_sets_are_read_whole(shared_datasets):
    assert len(read_sms_spam(shared_datasets / "sms_spam")) > 5000
    assert len(read_raft(shared_datasets / "raft", "overruling").rows) == 50
    assert len(read_wikitext(shared_datasets / "wikitext2")) > 500
    countries = {c.name: c for c in read_factbook(shared_datasets / "factbook")}
    assert countries["France"].capital == "Paris"
    assert len(countries) > 150
