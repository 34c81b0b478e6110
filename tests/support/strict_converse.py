"""A Bedrock that takes nothing but what it should: checks Converse requests by AWS's own service model and rules.

The service model (botocore's) says which members there are, of which types, values, lengths and patterns; the rules
that it does not hold are those of the reference of the API and of what Bedrock answers 400 to.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping
from functools import cache
from itertools import pairwise
from typing import Any

from botocore.session import Session

_NAME = re.compile(r"[A-Za-z0-9\-()\[\]]+(?: [A-Za-z0-9\-()\[\]]+)*")
_ONE_OF = frozenset(("ContentBlock", "ToolResultContentBlock", "SystemContentBlock", "Tool"))
MAX_CACHE_POINTS = 4


@cache
def _input(operation: str) -> Any:
    return Session().get_service_model("bedrock-runtime").operation_model(operation).input_shape


def check(body: bytes | Mapping[str, Any], *, operation: str = "Converse") -> dict[str, Any]:
    """Returns the decoded body; raises AssertionError for the first thing that Bedrock would refuse."""
    request: dict[str, Any] = json.loads(body) if isinstance(body, bytes) else json.loads(json.dumps(body))
    assert "modelId" not in request, "the model stands in the path"
    _shape(request, _input(operation), operation, skip=("modelId",))
    _check_messages(request["messages"])
    _check_tools(request)
    _check_documents(request["messages"])
    _check_cache(request)
    for block in request.get("system", ()):
        assert "text" not in block or block["text"].strip(), "blank system text"
    return request


def _shape(value: Any, shape: Any, path: str, skip: tuple[str, ...] = ()) -> None:
    """Checks a value by its shape in the service model."""
    checks = {"structure": _structure, "list": _list, "map": _map, "string": _string, "integer": _number,
              "float": _number, "long": _number, "boolean": _boolean, "blob": _blob}  # fmt: skip
    if shape.type_name == "structure" and shape.is_document_type:
        return
    assert value is not None, f"{path}: null"
    if shape.type_name == "structure":
        _structure(value, shape, path, skip)
    else:
        checks[shape.type_name](value, shape, path)  # type: ignore[operator]


def _structure(value: Any, shape: Any, path: str, skip: tuple[str, ...] = ()) -> None:
    assert isinstance(value, dict), f"{path}: no object"
    unknown = set(value) - set(shape.members)
    assert not unknown, f"{path}: unknown {sorted(unknown)}"
    missing = set(shape.required_members) - set(value) - set(skip)
    assert not missing, f"{path}: missing {sorted(missing)}"
    if shape.metadata.get("union") or shape.is_tagged_union or shape.name in _ONE_OF:
        assert len(value) == 1, f"{path}: {sorted(value)} are not one"
    for name, member in value.items():
        _shape(member, shape.members[name], f"{path}.{name}")


def _list(value: Any, shape: Any, path: str) -> None:
    assert isinstance(value, list), f"{path}: no list"
    _bounds(len(value), shape, path)
    for index, member in enumerate(value):
        _shape(member, shape.member, f"{path}[{index}]")


def _map(value: Any, shape: Any, path: str) -> None:
    assert isinstance(value, dict), f"{path}: no map"
    _bounds(len(value), shape, path)
    for name, member in value.items():
        _shape(name, shape.key, f"{path} key")
        _shape(member, shape.value, f"{path}.{name}")


def _string(value: Any, shape: Any, path: str) -> None:
    assert isinstance(value, str), f"{path}: no string"
    _bounds(len(value), shape, path)
    options = shape.metadata.get("enum")
    assert not options or value in options, f"{path}: {value!r} is not one of {options}"
    pattern = shape.metadata.get("pattern")
    assert not pattern or re.fullmatch(pattern, value), f"{path}: {value!r} does not match"


def _number(value: Any, shape: Any, path: str) -> None:
    whole = shape.type_name != "float"
    assert isinstance(value, int if whole else (int, float)), f"{path}: no number"
    assert not isinstance(value, bool), f"{path}: a boolean"
    _bounds(value, shape, path)


def _boolean(value: Any, shape: Any, path: str) -> None:
    assert isinstance(value, bool), f"{path}: no boolean"


def _blob(value: Any, shape: Any, path: str) -> None:
    assert isinstance(value, str), f"{path}: no base64"
    _bounds(len(base64.b64decode(value, validate=True)), shape, path)


def _bounds(value: float, shape: Any, path: str) -> None:
    least, most = shape.metadata.get("min"), shape.metadata.get("max")
    assert least is None or value >= least, f"{path}: below {least}"
    assert most is None or value <= most, f"{path}: above {most}"


def _check_messages(messages: list[dict[str, Any]]) -> None:
    """Checks who speaks when, and that every call is answered at once."""
    roles = [message["role"] for message in messages]
    assert roles[0] == "user", "the first message is not the user's"
    assert roles[-1] == "user", "the last message is not the user's"
    assert all(first != second for first, second in pairwise(roles)), f"no alternation: {roles}"
    pending: list[str] = []
    seen: set[str] = set()
    for message in messages:
        content = message["content"]
        assert content, "an empty message"
        for block in content:
            assert "text" not in block or block["text"].strip(), "blank text"
        results = [block["toolResult"]["toolUseId"] for block in content if "toolResult" in block]
        assert sorted(results) == sorted(pending), f"calls {pending} are answered by {results}"
        pending = [block["toolUse"]["toolUseId"] for block in content if "toolUse" in block]
        assert not seen & set(pending), "a call's id is used twice"
        seen |= set(pending)
        assert not (results and message["role"] != "user"), "results by the model"
        assert not (pending and message["role"] != "assistant"), "calls by the user"
        kinds = [next(iter(block)) for block in content]
        firsts = [kind == "toolResult" for kind in kinds if kind not in ("cachePoint", "audio")]
        assert firsts == sorted(firsts, reverse=True), f"results stand behind other things: {kinds}"
        assert all(isinstance(block["toolUse"]["input"], dict) for block in content if "toolUse" in block)
        for block in content:
            for inner in block.get("toolResult", {}).get("content", ()):
                assert "text" not in inner or inner["text"].strip(), "blank result"
        assert kinds[0] != "cachePoint", "nothing to keep"


def _check_tools(request: dict[str, Any]) -> None:
    specs = [one["toolSpec"] for one in request.get("toolConfig", {}).get("tools", ()) if "toolSpec" in one]
    names = [spec["name"] for spec in specs]
    assert len(set(names)) == len(names), "two tools of one name"
    for spec in specs:
        assert spec["inputSchema"]["json"].get("type") == "object", f"{spec['name']}: no schema of objects"
    blocks = [block for message in request["messages"] for block in message["content"]]
    if any("toolUse" in block or "toolResult" in block for block in blocks):
        assert specs, "calls in the history, but no tools"
    choice = request.get("toolConfig", {}).get("toolChoice", {})
    own = request.get("additionalModelRequestFields", {}).get("tool_choice")
    assert not (choice and own), "two choices"
    for named in (choice.get("tool", {}).get("name"), (own or {}).get("name")):
        assert named is None or named in names, f"the choice {named} is not declared"
    thinking = request.get("additionalModelRequestFields", {}).get("thinking", {})
    if thinking.get("type") in ("enabled", "adaptive"):
        forced = {"any", "tool"} & {*choice, (own or {}).get("type")}
        assert not forced, "calls are forced while it thinks"
        inference = request.get("inferenceConfig", {})
        assert "temperature" not in inference, "temperature while it thinks"
        if "maxTokens" in inference and "budget_tokens" in thinking:
            assert 1024 <= thinking["budget_tokens"] < inference["maxTokens"], "no room for the budget"


def _check_documents(messages: list[dict[str, Any]]) -> None:
    names: list[str] = []
    for message in messages:
        inner = [one for block in message["content"] for one in block.get("toolResult", {}).get("content", ())]
        found = [block["document"] for block in message["content"] if "document" in block]
        assert not found or any("text" in block for block in message["content"]), "a document without a text"
        names += [one["name"] for one in found]
        names += [one["document"]["name"] for one in inner if "document" in one]
    for name in names:
        assert _NAME.fullmatch(name), f"document name {name!r}"
    assert len({name.lower() for name in names}) == len(names), f"two documents of one name: {names}"


def _check_cache(request: dict[str, Any]) -> None:
    lists = [request.get("toolConfig", {}).get("tools", []), request.get("system", [])]
    lists += [message["content"] for message in request["messages"]]
    count = sum("cachePoint" in block for blocks in lists for block in blocks)
    assert count <= MAX_CACHE_POINTS, f"{count} breakpoints"
