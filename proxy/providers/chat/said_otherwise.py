"""What of a chat client's own request has to be said otherwise to a server, though both speak chat completions.

A schema that the server refuses is put into the prompt, and thinking is switched in the server's way: as for clients of
the Responses API. All else is passed on as it came.
"""

from __future__ import annotations

from typing import Any

import msgspec

from ...api import invalid
from ...api.chat.request import ChatRequest
from ...api.raw import ABSENT, Raw, given
from ...request import ModelRequest
from .build import effort_fields, schema_in_words
from .profile import ChatProfile

_FORM = "response_format"


class _Schema(msgspec.Struct):
    description: str | None = None
    schema: Raw = ABSENT


class _Form(msgspec.Struct):
    type: str
    json_schema: _Schema | None = None


_decode_form = msgspec.json.Decoder(_Form).decode


def said_otherwise(request: ModelRequest, profile: ChatProfile) -> dict[str, Any]:
    """Returns the fields of a request as the server takes them; raises BadRequest for a schema that is none."""
    if not isinstance(request, ChatRequest):
        return dict(request.fields)
    schema = _schema(request) if profile.structured_output == "json_object" else None
    if schema is not None:
        request = request.copy()
        request.add_instructions(schema_in_words(schema.schema, schema.description), "append")
    fields: dict[str, Any] = dict(request.fields)
    if schema is not None:
        fields[_FORM] = {"type": "json_object"}
    effort = request.get("reasoning_effort")
    if profile.reasoning_effort == "thinking" and isinstance(effort, str) and request.get("thinking") is None:
        del fields["reasoning_effort"]
        fields |= effort_fields(effort, profile)
    return fields


def _schema(request: ChatRequest) -> _Schema | None:
    """Returns the schema that the answer is to match, if there is one."""
    raw = request.fields.get(_FORM)
    if raw is None or not given(raw):
        return None
    try:
        form = _decode_form(raw)
    except invalid.UNREADABLE as error:
        raise invalid.from_decoding(error, _FORM) from None
    if form.type != "json_schema":
        return None
    if form.json_schema is None or not given(form.json_schema.schema):
        raise invalid.missing(f"{_FORM}.json_schema.schema")
    return form.json_schema
