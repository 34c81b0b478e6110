"""How a model is held to a schema, or told of it."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from proxy.api.responses.fields import TextFormat
from proxy.errors import BadRequest
from proxy.providers.bedrock.form import in_words, output_config

SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}}


def form(schema: str = json.dumps(SCHEMA), **more: Any) -> TextFormat:
    """Returns the form of an answer."""
    return TextFormat(type="json_schema", schema=msgspec.Raw(schema.encode()), **more)


def test_the_schema_is_a_text_and_the_effort_stands_beside_it() -> None:
    config = output_config(form(name="n", description="An a."), "low")
    structure = config["textFormat"]["structure"]["jsonSchema"]
    assert json.loads(structure.pop("schema")) == {**SCHEMA, "additionalProperties": False}
    assert structure == {"name": "n", "description": "An a."}
    assert config["effort"] == "low"


def test_a_schema_needs_no_name_and_no_effort() -> None:
    config = output_config(form(), None)
    assert config["textFormat"]["structure"]["jsonSchema"]["name"] == "answer"
    assert "effort" not in config


def test_a_schema_that_cannot_be_read_is_refused() -> None:
    with pytest.raises(BadRequest) as caught:
        output_config(form("[]"), None)
    assert caught.value.param is not None
    assert caught.value.param.startswith("text.format.schema")


def test_in_words() -> None:
    assert in_words(form('{"a":1}', description="An a.")) == (
        'Answer with one JSON object that matches this JSON schema. An a.\n{"a":1}'
    )
