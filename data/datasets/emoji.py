"""Emoji as layers of collages: a few that are packaged, all others from npm packages.

A layer's picture is "emoji:NAME" with a short name of the package's emoji.json, as "emoji:apple".
The packages are read where npm installed them, or fetched by npm, which has its own settings for
registry, proxy and cache.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import json
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

PREFIX = "emoji:"
_SAMPLES = Path(__file__).with_name("samples") / "emoji"


@dataclass(frozen=True)
class EmojiPackage:
    """One npm package of emoji in a recorded version."""

    name: str
    version: str
    sha512: str  # of the archive, as npm writes it
    images: str  # folder of its PNGs of 64 px
    licence: str  # of the pictures

    @property
    def pinned(self) -> str:
        return f"{self.name}@{self.version}"


PACKAGES = {
    package.name: package
    for package in (
        EmojiPackage(
            "emoji-datasource-google",
            "16.0.0",
            "ZRexfzs7MVoLnmzZmNsO4TKhnAJp5D++Vm6PpUpH/jEQQlemp3l88CjZ+DoZ2faM9R4QxZkOPJCoT8DlPhfQ3A==",
            "img/google/64",
            "Apache-2.0 (Noto Emoji)",
        ),
        EmojiPackage(
            "emoji-datasource-twitter",
            "16.0.0",
            "7F+uCuHH+7Qnrc15P5tnbvKkg9E6tlzi4MnT2uW1RlN4pLYTza6cP/dstIfSDMtpjFLWuZewWg8jBbuL2eyELQ==",
            "img/twitter/64",
            "CC-BY-4.0 (Twemoji)",
        ),
    )
}


def packaged_emoji() -> list[str]:
    """Names of the emoji that are always here."""
    return sorted(path.stem for path in _SAMPLES.glob("*.png"))


def emoji_file(name: str, package: Path | None = None) -> Path:
    """The PNG of an emoji by its short name; blanks count as underscores.

    package: folder of one of PACKAGES; without it the packaged few are all. Raises ValueError for
    a name that is not there, and for a folder that is no such package.
    """
    wanted = name.strip().lower().replace(" ", "_")
    if package is None:
        known = packaged_emoji()
        if wanted not in known:
            raise ValueError(
                f"{PREFIX}{name} is not packaged; there are {', '.join(known)}, and with "
                f"--emoji all of {' or '.join(PACKAGES)}"
            )
        return _SAMPLES / f"{wanted}.png"
    found = _listing(package).get(wanted)
    if found is None or not found.is_file():
        raise ValueError(f"{PREFIX}{name} is not in {package}")
    return found


def fetch_emoji(name: str, home: Path) -> Path:
    """Folder of a package under `home`, fetched by npm and verified unless it is there.

    Of the package its list, its licences and its PNGs of 64 px are kept, whole or not at all.
    Raises ValueError for a package that is not recorded, cannot be had, or has another hash.
    """
    package = PACKAGES.get(name)
    if package is None:
        raise ValueError(f"{name}: no such folder, and no package of {', '.join(PACKAGES)}")
    folder = home / f"{package.name}-{package.version}"
    if folder.is_dir():
        return folder
    home.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=home) as made:
        archive = _packed(package, Path(made))
        with archive.open("rb") as file:
            found = base64.b64encode(hashlib.file_digest(file, "sha512").digest()).decode()
        if found != package.sha512:
            raise ValueError(
                f"{package.pinned} from npm is not the recorded one (its hash differs)"
            )
        _unpack(archive, package, Path(made))
        (Path(made) / "package").rename(folder)
    return folder


def _packed(package: EmojiPackage, folder: Path) -> Path:
    """The package's archive as the registry has it; nothing of it runs."""
    npm = shutil.which("npm")
    if npm is None:
        raise ValueError(f"cannot get {package.pinned}: there is no npm; give its folder instead")
    asked = [npm, "pack", package.pinned, "--ignore-scripts", "--silent"]
    done = subprocess.run(asked, check=False, capture_output=True, text=True, cwd=folder)
    archives = sorted(folder.glob("*.tgz"))
    if done.returncode != 0 or not archives:
        reason = (done.stderr.strip().splitlines() or ["npm gave no reason"])[-1]
        raise ValueError(f"cannot get {package.pinned}: {reason}")
    return archives[0]


def _unpack(archive: Path, package: EmojiPackage, folder: Path) -> None:
    kept = ("package.json", "emoji.json", "README.md", "LICENSE")
    with tarfile.open(archive) as tar:
        for member in tar:
            inside = PurePosixPath(member.name).relative_to("package").as_posix()
            if inside in kept or inside.startswith(f"{package.images}/"):
                tar.extract(member, folder, filter="data")


@functools.cache
def _listing(folder: Path) -> Mapping[str, Path]:
    """PNGs of a package's folder by every short name."""
    try:
        name = json.loads((folder / "package.json").read_bytes())["name"]
        emoji = json.loads((folder / "emoji.json").read_bytes())
        images = folder / PACKAGES[name].images
    except (OSError, ValueError, KeyError):
        raise ValueError(f"{folder} is none of the packages {', '.join(PACKAGES)}") from None
    return {short: images / one["image"] for one in emoji for short in one["short_names"]}
