"""A generateContent server that takes nothing but what it should: checks requests by the rules the API enforces.

Written from the API's reference and from what it answers 400 to, not from the code under test.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping
from typing import Any

KEYS = frozenset(
    (
        "cachedContent",
        "contents",
        "systemInstruction",
        "tools",
        "toolConfig",
        "generationConfig",
        "safetySettings",
        "serviceTier",
    )
)
_GENERATION: dict[str, type | tuple[type, ...]] = {
    "candidateCount": int,
    "frequencyPenalty": (int, float),
    "imageConfig": dict,
    "logprobs": int,
    "maxOutputTokens": int,
    "mediaResolution": str,
    "presencePenalty": (int, float),
    "responseJsonSchema": dict,
    "responseLogprobs": bool,
    "responseModalities": list,
    "responseMimeType": str,
    "seed": int,
    "stopSequences": list,
    "temperature": (int, float),
    "thinkingConfig": dict,
    "topK": int,
    "topP": (int, float),
}
_RESOLUTIONS = tuple(f"MEDIA_RESOLUTION_{level}" for level in ("LOW", "MEDIUM", "HIGH"))
_SCHEMA = frozenset(
    (
        "$anchor", "$defs", "$id", "$ref", "additionalProperties", "anyOf", "description", "enum", "format", "items",
        "maxItems", "maximum", "minItems", "minimum", "oneOf", "prefixItems", "properties", "propertyOrdering",
        "required", "title", "type",
    )
)  # fmt: skip
_PART_KINDS = ("text", "inlineData", "fileData", "functionCall", "functionResponse", "executableCode",
               "codeExecutionResult", "toolCall", "toolResponse")  # fmt: skip
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.:-]{0,127}")
_MIME = re.compile(r"[a-z]+/[a-z0-9.+*-]+")


def check(body: bytes | Mapping[str, Any], *, signed: bool = False, system: bool = True) -> dict[str, Any]:
    """Returns the decoded body; raises AssertionError for the first thing that the API would refuse.

    `signed`: the model refuses its own calls without a signature (Gemini 3). `system`: it takes instructions.
    """
    request: dict[str, Any] = json.loads(body) if isinstance(body, bytes) else dict(body)
    unknown = set(request) - KEYS
    assert not unknown, f"unknown fields: {sorted(unknown)}"
    names = _check_tools(request.get("tools"))
    _check_tool_config(request, names)
    _check_generation(request.get("generationConfig", {}))
    if "systemInstruction" in request:
        assert system, "the model takes no instructions"
        assert all(set(part) == {"text"} and part["text"] for part in request["systemInstruction"]["parts"])
        assert request["systemInstruction"]["parts"]
    for setting in request.get("safetySettings", ()):
        assert set(setting) == {"category", "threshold"}
        assert setting["category"].startswith("HARM_CATEGORY_")
    assert request.get("serviceTier", "standard") in ("standard", "flex", "priority")
    _check_contents(request["contents"], signed=signed)
    return request


def _check_tools(tools: Any) -> set[str]:
    names: list[str] = []
    for tool in tools or ():
        assert len(tool) == 1, "a tool is of one kind"
        for declaration in tool.get("functionDeclarations", ()):
            assert set(declaration) <= {"name", "description", "parametersJsonSchema"}
            assert _NAME.fullmatch(declaration["name"]), declaration["name"]
            names.append(declaration["name"])
            if "parametersJsonSchema" in declaration:
                check_schema(declaration["parametersJsonSchema"])
        if "functionDeclarations" not in tool:
            assert tool in [{name: {}} for name in ("googleSearch", "codeExecution", "urlContext", "googleMaps")], tool
        else:
            assert tool["functionDeclarations"], "an empty list of functions"
    assert tools is None or tools, "an empty list of tools"
    assert len(names) == len(set(names)), "two functions of one name"
    return set(names)


def _check_tool_config(request: dict[str, Any], names: set[str]) -> None:
    config = request.get("toolConfig", {})
    assert set(config) <= {"functionCallingConfig", "includeServerSideToolInvocations"}
    calling = config.get("functionCallingConfig")
    if calling is not None:
        assert names, "how to call functions, and there are none"
        assert set(calling) <= {"mode", "allowedFunctionNames"}
        assert calling["mode"] in ("AUTO", "ANY", "NONE", "VALIDATED")
        if "allowedFunctionNames" in calling:
            assert calling["mode"] in ("ANY", "VALIDATED")
            assert calling["allowedFunctionNames"]
            assert set(calling["allowedFunctionNames"]) <= names


def check_schema(schema: Any) -> None:
    """Raises AssertionError for a schema with keywords that the API does not take."""
    if isinstance(schema, bool):
        return
    assert isinstance(schema, dict)
    assert set(schema) <= _SCHEMA, sorted(set(schema) - _SCHEMA)
    if "$ref" in schema:
        assert all(name.startswith("$") for name in schema), "something stands beside a reference"
        assert schema["$ref"].startswith("#"), schema["$ref"]
    for name in ("properties", "$defs"):
        for inner in schema.get(name, {}).values():
            check_schema(inner)
    for name in ("anyOf", "oneOf", "prefixItems"):
        for inner in schema.get(name, ()):
            check_schema(inner)
    for name in ("items", "additionalProperties"):
        if name in schema:
            check_schema(schema[name])


def _check_generation(settings: dict[str, Any]) -> None:
    for name, value in settings.items():
        assert isinstance(value, _GENERATION[name]), f"generationConfig.{name}: {value!r}"
        assert isinstance(value, bool) is (_GENERATION[name] is bool), name
    assert len(settings.get("stopSequences", ())) <= 5
    assert 0 <= settings.get("temperature", 0) <= 2
    assert settings.get("maxOutputTokens", 1) >= 1
    assert settings.get("responseMimeType", "application/json") == "application/json"
    assert "logprobs" not in settings or settings.get("responseLogprobs") is True
    if "responseJsonSchema" in settings:
        assert settings.get("responseMimeType") == "application/json"
        check_schema(settings["responseJsonSchema"])
    assert settings.get("mediaResolution", _RESOLUTIONS[0]) in _RESOLUTIONS
    assert set(settings.get("responseModalities", ())) <= {"TEXT", "IMAGE"}
    assert set(settings.get("imageConfig", ())) <= {"aspectRatio", "imageSize"}
    thinking = settings.get("thinkingConfig", {})
    assert set(thinking) <= {"thinkingLevel", "thinkingBudget", "includeThoughts"}
    assert not {"thinkingLevel", "thinkingBudget"} <= set(thinking), "a level and a budget"
    assert thinking.get("thinkingLevel", "low") in ("minimal", "low", "medium", "high")


def _check_contents(contents: list[dict[str, Any]], *, signed: bool) -> None:
    assert contents, "no contents"
    assert contents[0]["role"] == "user", "the user begins"
    waiting: list[dict[str, Any]] = []
    for index, content in enumerate(contents):
        where = f"contents[{index}]"
        assert set(content) == {"role", "parts"}
        assert content["role"] in ("user", "model")
        assert index == 0 or contents[index - 1]["role"] != content["role"], f"{where}: two of one role"
        assert content["parts"], f"{where}: no parts"
        for part in content["parts"]:
            _check_part(part, content["role"], where)
        answers = [part["functionResponse"] for part in content["parts"] if "functionResponse" in part]
        _check_answers(waiting, answers, where)
        calls = [part for part in content["parts"] if "functionCall" in part]
        if signed and calls:
            assert calls[0].get("thoughtSignature"), f"{where}: the first call is not signed"
        waiting = [part["functionCall"] for part in calls]
    assert not waiting, "calls without responses at the end"


def _check_answers(calls: list[dict[str, Any]], answers: list[dict[str, Any]], where: str) -> None:
    said = [(call["name"], call.get("id")) for call in calls]
    assert said == [(one["name"], one.get("id")) for one in answers], f"{where}: responses do not match their calls"


def _check_part(part: dict[str, Any], role: str, where: str) -> None:
    kinds = [name for name in _PART_KINDS if name in part]
    assert len(kinds) == 1, f"{where}: a part of kinds {kinds}"
    assert set(part) <= {kinds[0], "thoughtSignature", "thought"}, f"{where}: {sorted(part)}"
    if "thoughtSignature" in part:
        assert role == "model"
        signature = part["thoughtSignature"]
        base64.urlsafe_b64decode(signature.replace("+", "-").replace("/", "_") + "=" * (-len(signature) % 4))
    value = part[kinds[0]]
    if kinds[0] == "text":
        assert isinstance(value, str)
        assert value or "thoughtSignature" in part, f"{where}: an empty text"
    elif kinds[0] in ("inlineData", "fileData"):
        _check_media(value, where)
    elif kinds[0] == "functionCall":
        assert role == "model"
        assert set(value) <= {"name", "args", "id"}
        assert _NAME.fullmatch(value["name"])
        assert isinstance(value["args"], dict)
    elif kinds[0] == "functionResponse":
        assert role == "user"
        assert set(value) <= {"name", "response", "id", "parts"}
        assert isinstance(value["response"], dict)
        for inner in value.get("parts", ()):
            assert set(inner) == {"inlineData"}
            _check_media(inner["inlineData"], where)
    else:
        assert role == "model"


def _check_media(value: dict[str, Any], where: str) -> None:
    if "data" in value:
        assert set(value) == {"mimeType", "data"}
        assert _MIME.fullmatch(value["mimeType"]), value["mimeType"]
        base64.b64decode(value["data"], validate=True)
    else:
        assert set(value) <= {"mimeType", "fileUri"}, where
        assert value["fileUri"].startswith(("https://", "http://", "gs://"))
