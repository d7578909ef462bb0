"""Labelled items from every source that is at hand."""

from collections import Counter

import numpy as np
import pytest

from data.datasets.few_shot import read_tasks, source_digest


def test_the_sample_of_messages_has_a_hundred_spam_in_four_hundred():
    [task] = read_tasks("sms_spam_sample", "")
    assert (task.name, task.modality, len(task.texts)) == ("sms_spam_sample", "text", 400)
    assert task.labels.count("spam") == 100
    assert all(text.strip() for text in task.texts)


def test_digits_are_forty_five_pairs_of_two_classes_each():
    tasks = read_tasks("digits", "")
    assert len({task.name for task in tasks}) == 45
    for task in tasks:
        one, other = task.name.removeprefix("digits ").split("/")
        assert set(task.labels) == {one, other}
        assert task.features.shape == (len(task.labels), 64)
    assert sum(len(task.labels) for task in tasks) == 9 * 1797


def test_breast_cancer_has_one_scale_for_all_its_numbers():
    [task] = read_tasks("breast_cancer", "")
    assert task.features.shape == (569, 30)
    assert task.features.std(axis=0) == pytest.approx(np.ones(30))
    assert set(task.labels) == {"malignant", "benign"}


@pytest.mark.shared
def test_messages_and_raft_come_from_the_user_s_folder(shared_datasets):
    [messages] = read_tasks("sms_spam", str(shared_datasets))
    assert len(messages.labels) == 5574
    tasks = read_tasks("raft", str(shared_datasets))
    assert len(tasks) == 7
    for task in tasks:
        assert len(task.texts) == len(task.labels) == 50
        counts = Counter(task.labels)
        assert len(counts) in (2, 3)
        assert min(counts.values()) >= 2, "one to show and one to ask about"


def test_what_identifies_a_source_is_its_content_or_version(tmp_path):
    assert len(source_digest("sms_spam_sample", "")) == 64
    assert source_digest("digits", "").startswith("scikit-learn ")
    with pytest.raises(ValueError, match="set field data"):
        source_digest("sms_spam", "")
