"""Calls and what came of them, as Gemini says it."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from ...api.raw import Raw
from ...api.responses.items import Call, Output, ToolOutput
from ...api.responses.parts import InputPart
from ...api.responses.turns import Called
from ..chat.profile import ChatProfile
from ..chat.tool_messages import Attachments, tool_call, tool_message
from .content import gemini_part
from .tools import GeminiNames

Part = dict[str, Any]

_FUNCTIONS = ChatProfile()
"""Calls of any form as functions with an object of arguments, and outputs as one text."""
_FOREIGN = re.compile(r"call_|toolu_|tooluse_|chatcmpl-|functions\.|fc_[0-9a-f]{8}|[a-zA-Z0-9]{9}\Z")
"""How ids begin that were made up here, or by others than Google: by OpenAI, Anthropic, Bedrock, vLLM, Moonshot, Groq.

Those of Mistral's are nine letters and digits.
"""

_decode_object = msgspec.json.Decoder(dict[str, Raw]).decode


def call_part(call: Call, names: GeminiNames) -> Part:
    """Returns the part of a call, without a signature."""
    function = tool_call(call, names, _FUNCTIONS)["function"]
    made: dict[str, Any] = {"name": function["name"], "args": Raw(function["arguments"].encode())}
    return {"functionCall": _with_id(made, call.call_id)}


def output_parts(called: Called, names: GeminiNames, *, media: bool) -> tuple[Part, list[Part]]:
    """Returns the part of what came of a call, and those that must stand behind it: what is no text, unless `media`.

    Raises BadRequest for what Gemini cannot be shown.
    """
    output, call_id = called.output, called.call.call_id
    assert output is not None, "seen to when the turns were assembled"
    assert call_id is not None, "calls without an id are in no turn"
    text, attached = _content(output, called.output_path, call_id, names)
    name = tool_call(called.call, names, _FUNCTIONS)["function"]["name"]
    response: dict[str, Any] = _with_id({"name": name, "response": _object(text)}, call_id)
    if media and attached and all("inlineData" in part for part in attached):
        response["parts"] = attached
        attached = []
    return {"functionResponse": response}, attached


def _with_id(fields: dict[str, Any], call_id: str | None) -> dict[str, Any]:
    """Returns the fields with the id of the call, if it is one of Gemini's own."""
    if call_id is not None and _FOREIGN.match(call_id) is None:
        fields["id"] = call_id
    return fields


def _content(output: Output, path: str, call_id: str, names: GeminiNames) -> tuple[str, list[Part]]:
    """Returns the text of an output, and its other parts."""
    if isinstance(output, ToolOutput) and not isinstance(output.output, str):
        return _parts(output.output, path)
    content = tool_message(output, path, call_id, names, _FUNCTIONS, Attachments())["content"]
    assert isinstance(content, str), "outputs without parts are one text"
    return content, []


def _parts(content: list[InputPart], path: str) -> tuple[str, list[Part]]:
    texts: list[str] = []
    others: list[Part] = []
    for index, part in enumerate(content):
        made = gemini_part(part, f"{path}.output[{index}]")
        if "text" in made:
            texts.append(made["text"])
        else:
            others.append(made)
    return "\n".join(texts), others


def _object(text: str) -> Raw | dict[str, str]:
    """Returns an output as the object that responses must be: a JSON object is itself, all else its `output`."""
    if text.lstrip().startswith("{"):
        try:
            _decode_object(text)
            return Raw(text.encode())
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            pass
    return {"output": text}
