"""Emoji for layers: the packaged few, an installed package, and one that npm fetches."""

import base64
import hashlib
import json
import re
import tarfile
from pathlib import Path

import pytest
from PIL import Image

from data.datasets import emoji
from data.datasets.emoji import EmojiPackage, emoji_file, fetch_emoji, packaged_emoji

SAMPLES = Path(emoji.__file__).with_name("samples") / "emoji"


def installed(folder, name="emoji-datasource-google", vendor="google"):
    """A package as npm installs it, with one emoji of two names."""
    images = folder / "img" / vendor / "64"
    images.mkdir(parents=True)
    Image.new("RGBA", (64, 64)).save(images / "1f40c.png")
    (folder / "package.json").write_text(json.dumps({"name": name}))
    listed = [{"image": "1f40c.png", "short_names": ["snail", "slow"]}]
    (folder / "emoji.json").write_text(json.dumps(listed))
    return folder


def test_every_packaged_emoji_is_as_its_source_says():
    told = dict(
        re.findall(
            r"^\| (\S+)\.png \| .* \| (\w{64}) \|$", (SAMPLES / "SOURCE.md").read_text(), re.M
        )
    )
    assert sorted(told) == packaged_emoji()
    for name in packaged_emoji():
        path = emoji_file(name)
        assert hashlib.sha256(path.read_bytes()).hexdigest() == told[name]
        with Image.open(path) as picture:
            assert (picture.size, picture.mode) == ((64, 64), "RGBA")


def test_blanks_and_capitals_do_not_matter():
    assert emoji_file("Purple heart") == emoji_file("purple_heart")


def test_all_short_names_of_an_installed_package_are_known(tmp_path):
    folder = installed(tmp_path)
    assert (
        emoji_file("snail", folder)
        == emoji_file("slow", folder)
        == folder / "img/google/64/1f40c.png"
    )
    with pytest.raises(ValueError, match="emoji:heart is not in"):
        emoji_file("heart", folder)


def test_what_is_not_there_is_said_with_what_is(tmp_path):
    with pytest.raises(ValueError, match="emoji:snail is not packaged; there are apple, banana"):
        emoji_file("snail")
    with pytest.raises(ValueError, match="is none of the packages emoji-datasource-google"):
        emoji_file("snail", tmp_path)
    with pytest.raises(ValueError, match="openmoji: no such folder, and no package of"):
        fetch_emoji("openmoji", tmp_path)


@pytest.fixture
def npm(tmp_path, monkeypatch):
    """An `npm` that packs a small package, and the record of that package."""
    source, programs = tmp_path / "source", tmp_path / "bin"
    installed(source / "package")
    (source / "package" / "index.js").write_text("never run")
    archive = tmp_path / "small-1.0.0.tgz"
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(source / "package", "package")
    programs.mkdir()
    program = programs / "npm"
    program.write_text(f'#!/bin/sh\n[ "$2" = small@1.0.0 ] && cp {archive} .\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:/usr/bin:/bin")
    digest = base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode()

    def record(sha512=digest, version="1.0.0"):
        one = EmojiPackage("small", version, sha512, "img/google/64", "none")
        monkeypatch.setitem(emoji.PACKAGES, "small", one)

    return record


def test_a_package_is_fetched_once_verified_and_cut_down(npm, tmp_path):
    npm()
    folder = fetch_emoji("small", tmp_path / "home")
    assert emoji_file("snail", folder).is_file()
    assert not (folder / "index.js").exists()
    assert [path.name for path in (tmp_path / "home").iterdir()] == ["small-1.0.0"]
    (tmp_path / "bin" / "npm").unlink()
    assert fetch_emoji("small", tmp_path / "home") == folder


def test_another_package_than_the_recorded_one_is_refused(npm, tmp_path):
    npm(sha512="AAAA")
    with pytest.raises(ValueError, match=r"small@1\.0\.0 from npm is not the recorded one"):
        fetch_emoji("small", tmp_path / "home")
    npm(version="2.0.0")
    with pytest.raises(ValueError, match=r"cannot get small@2\.0\.0: npm gave no reason"):
        fetch_emoji("small", tmp_path / "home")
    assert list((tmp_path / "home").iterdir()) == []
