"""How a model of Bedrock's is held to a JSON schema, or told of it where it cannot be."""

from __future__ import annotations

from typing import Any

import msgspec

from ...api.responses.fields import TextFormat
from ..anthropic.schema import held_to


def output_config(form: TextFormat, effort: str | None) -> dict[str, Any]:
    """Returns `outputConfig`: the schema as Converse wants it, a text. The effort stands beside it, and nowhere else.

    Raises BadRequest for a schema that cannot be read.
    """
    schema = held_to(form.schema, "text.format.schema")
    described = {"description": form.description} if form.description else {}
    text = msgspec.json.encode(schema).decode()
    structure = {"jsonSchema": {"name": form.name or "answer", **described, "schema": text}}
    config: dict[str, Any] = {"textFormat": {"type": "json_schema", "structure": structure}}
    if effort is not None:
        config["effort"] = effort
    return config


def in_words(form: TextFormat) -> str:
    """Returns what tells a model of a schema to which it cannot be held."""
    about = f" {form.description}" if form.description else ""
    return f"Answer with one JSON object that matches this JSON schema.{about}\n{bytes(form.schema).decode()}"
