"""The files that users start from: each is loaded, agrees with the schema, and names it for editors."""

from __future__ import annotations

from pathlib import Path

import jsonschema
import pytest

from proxy.config.loader import load_text
from proxy.config.nodes import compose, plain
from proxy.config.problems import Problems
from proxy.config.schema import schema
from proxy.config.types import Sources
from proxy.providers.registry import kinds
from proxy.registry import installed_stages
from tests.support.everything_set import EverythingIsSet
from tests.support.fixtures import ROOT

FILES = [ROOT / "pipeline.yaml", *sorted((ROOT / "examples").glob("*.yaml"))]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_it_loads_without_a_warning(path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    config = load_text(path.read_text("utf-8"), path.name, sources=Sources(EverythingIsSet(), path.parent))
    assert (config.skipped, config.warnings) == ((), ())


def test_the_shipped_file_runs_without_any_variable():
    config = load_text((ROOT / "pipeline.yaml").read_text("utf-8"), "pipeline.yaml", sources=Sources({}))
    assert config.models
    assert config.warnings == ()
    assert config.listen.loopback


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_it_agrees_with_the_schema(path: Path):
    node = compose(path.read_text("utf-8"), Problems(path.name))
    assert node is not None
    jsonschema.Draft7Validator(schema(kinds(), installed_stages())).validate(plain(node))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_its_first_line_names_the_schema_that_is_there(path: Path):
    first = path.read_text("utf-8").splitlines()[0]
    prefix = "# yaml-language-server: $schema="
    assert first.startswith(prefix)
    assert (path.parent / first.removeprefix(prefix)).resolve() == ROOT / "penstock.schema.json"


def test_every_stage_is_in_an_example():
    text = "\n".join(path.read_text("utf-8") for path in FILES)
    assert [name for name in installed_stages() if f"- {name}" not in text] == []
