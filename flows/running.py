"""From words on the command line to a flow and its configuration."""

from __future__ import annotations

import importlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ValidationError

from flows import FLOWS
from flows.errors import CallError, meant

PROFILES = ("quick", "standard", "paper")


def flow_named(name: str) -> Any:
    """The flow of this name. Raises CallError naming the ones there are."""
    if name not in FLOWS:
        raise CallError(f"no flow {name!r}{meant(name, FLOWS)}; flows: {', '.join(FLOWS)}")
    return getattr(importlib.import_module(f"flows.{name}"), name)


def config_for(flow: str, profile: str, settings: Sequence[str]) -> BaseModel:
    """The profile's configuration with `field.field=value` settings applied, validated.

    A value is read as JSON where it is that, else as text. Raises CallError naming the field.
    """
    if profile not in PROFILES:
        raise CallError(f"no profile {profile!r}; profiles: {', '.join(PROFILES)}")
    base: BaseModel = importlib.import_module(f"flows.{flow}").PROFILES[profile]
    values = base.model_dump(mode="json")
    for setting in settings:
        _apply(values, setting)
    try:
        return type(base).model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        given = "" if isinstance(first["input"], Mapping) else f"={first['input']}"
        where = ".".join(map(str, first["loc"]))
        raise CallError(f"--set {where}{given}: {first['msg']}") from error


def _apply(values: dict[str, Any], setting: str) -> None:
    path, sign, text = setting.partition("=")
    if not sign or not path:
        raise CallError(f"--set {setting}: write it as field=value")
    *parents, last = path.split(".")
    place: Any = values
    for depth, name in enumerate([*parents, last]):
        if not isinstance(place, Mapping) or name not in place:
            there = list(place) if isinstance(place, Mapping) else []
            known = f"; fields there: {', '.join(there)}" if there else "; it has no fields"
            at = ".".join([*parents, last][: depth + 1])
            raise CallError(f"--set {path}: no field {at}{meant(name, there)}{known}")
        if depth < len(parents):
            place = place[name]
    try:
        place[last] = json.loads(text)
    except ValueError:
        place[last] = text
