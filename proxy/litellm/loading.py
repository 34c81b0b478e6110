"""LiteLLM's configuration taken as it stands: loaded to be served, or written as a file of our own."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

import msgspec

from ..config.file import Config
from ..config.loader import load_text
from ..config.types import Sources
from ..errors import ConfigError, Problem
from ..registry import installed_stages
from .notes import Note
from .source import Source, read_source
from .translation import Translated, translate
from .writing import Written, write

_UPSTREAM = re.compile(r"upstreams\.([^.:]+)")


class Loaded(msgspec.Struct):
    """A configuration that can be served. `environ` is what the file adds to the environment."""

    config: Config
    environ: dict[str, str]


class Imported(msgspec.Struct):
    """The text of our own file; what was lost, and what is only done otherwise, each with its line."""

    written: Written
    lost: list[Problem]
    hints: list[Problem]


def load_litellm(path: str | Path, *, environ: Mapping[str, str] = os.environ) -> Loaded:
    """Returns what a LiteLLM configuration says, ready to be served; what is lost is among its warnings.

    Raises ConfigError with everything that cannot be used, by line, ConfigMissing without a file.
    """
    source = read_source(path)
    done = translate(source.config, environ=environ, stages=installed_stages())
    _refuse(source, done)
    own = source.config.get("environment_variables") or {}
    added = {str(name): str(value) for name, value in own.items()}
    sources = Sources({**environ, **added}, Path(path).parent)
    if not os.access(sources.directory, os.W_OK):  # a mounted volume, say
        _without_files(done)
    config = _loaded(done, source, sources)
    lost = sorted(source.problem(note) for note in done.notes.of("lost"))
    return Loaded(msgspec.structs.replace(config, warnings=(*lost, *config.warnings)), added)


def import_litellm(path: str | Path, *, environ: Mapping[str, str] = os.environ) -> Imported:
    """Returns a LiteLLM configuration as the text of our own file; raises ConfigError, ConfigMissing."""
    source = read_source(path)
    done = translate(source.config, environ=environ, stages=installed_stages())
    _refuse(source, done)
    _loaded(done, source, Sources(environ, Path(path).parent, resolve=False))
    lost = sorted(source.problem(note) for note in done.notes.of("lost"))
    hints = sorted(source.problem(note) for note in done.notes.of("hint"))
    places = {name: source.problem(Note("hint", origin, "")) for name, origin in done.origins.items()}
    written = write(done.file, Path(source.name).name, [*lost, *hints], places)
    return Imported(written, lost, hints)


def _without_files(done: Translated) -> None:
    """Keeps in memory what would be kept in files beside the configuration."""
    done.file["stores"]["responses"] = {"kind": "memory"}
    done.file["stores"].pop("cold", None)
    first = done.file["pipeline"][0]
    if isinstance(first, dict) and "auth" in first:
        first["auth"]["keys"].remove("store")


def _refuse(source: Source, done: Translated) -> None:
    """Raises ConfigError for what cannot be used, and where nothing is left to serve."""
    wrong = done.notes.of("mistake")
    if not wrong and not done.file["models"] and "providers" not in done.file:
        wrong = done.notes.of("lost")
    if wrong:
        raise ConfigError([msgspec.structs.replace(source.problem(note), warning=False) for note in wrong])


def _loaded(done: Translated, source: Source, sources: Sources) -> Config:
    """Returns the file loaded; what is wrong with it is told with the lines of LiteLLM's."""
    try:
        return load_text(msgspec.json.encode(done.file).decode(), source.name, sources=sources)
    except ConfigError as error:
        raise ConfigError([_there(problem, done, source) for problem in error.problems]) from None


def _there(problem: Problem, done: Translated, source: Source) -> Problem:
    """Returns a problem of our file where its cause stands in LiteLLM's."""
    found = _UPSTREAM.match(problem.what)
    origin = done.origins.get(found[1]) if found is not None else None
    path = origin or (("general_settings", "master_key") if problem.what.startswith(("admin", "auth")) else ())
    return msgspec.structs.replace(source.problem(Note("mistake", path, problem.what, problem.fix)), what=problem.what)
