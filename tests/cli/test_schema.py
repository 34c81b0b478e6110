"""`penstock schema`, and the schema file of the repository."""

from __future__ import annotations

import json

import jsonschema
import pytest

from proxy.cli import main, schema
from proxy.errors import ConfigError, Problem
from tests.support.fake_registry import STAGES
from tests.support.fixtures import ROOT


def test_it_prints_the_schema(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(schema, "installed_stages", lambda: STAGES)
    assert main(["schema"]) == 0
    printed = json.loads(capsys.readouterr().out)
    jsonschema.Draft7Validator.check_schema(printed)
    assert "stage.rate-limit" in printed["definitions"]


def test_a_broken_package_is_told(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
    def broken():
        raise ConfigError([Problem("package", 1, 1, "broken")])

    monkeypatch.setattr(schema, "installed_stages", broken)
    assert main(["schema"]) == 1
    assert capsys.readouterr() == ("", "package:1:1: broken\n")


def test_the_schema_file_is_the_one_that_is_printed():
    assert (ROOT / "penstock.schema.json").read_text("utf-8") == schema.text()
