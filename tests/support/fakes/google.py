"""Google: the Gemini API, and Vertex AI with Gemini and Claude."""

from __future__ import annotations

import json
import re
from typing import Any

from tests.support.fakes import claude
from tests.support.fakes.chat import ChatServer
from tests.support.fakes.mind import (
    CACHED_TOKENS,
    INPUT_TOKENS,
    OUTPUT_TOKENS,
    THOUGHT_TOKENS,
    Asked,
    Turn,
    picture,
    state_of,
)
from tests.support.fakes.server import KEY, Fake, Received, Refused, Told, streamed, told_error, whole
from tests.support.gemini import framed, response
from tests.support.strict_gemini import check

_USAGE = {
    "promptTokenCount": INPUT_TOKENS,
    "cachedContentTokenCount": CACHED_TOKENS,
    "candidatesTokenCount": OUTPUT_TOKENS - THOUGHT_TOKENS,
    "thoughtsTokenCount": THOUGHT_TOKENS,
    "totalTokenCount": INPUT_TOKENS + OUTPUT_TOKENS,
}
_RETRY = [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "0.1s"}]
_TOO_LONG = "The input token count (9) exceeds the maximum number of tokens allowed (8)."


def _error(code: int, status: str, message: str = "{}", **more: Any) -> Told:
    return Told(code, {"error": {"code": code, "message": message, "status": status, **more}})


ERRORS = {
    "key": _error(400, "INVALID_ARGUMENT", "API key not valid. Please pass a valid API key."),
    "rate": _error(429, "RESOURCE_EXHAUSTED", details=_RETRY),
    "long": _error(400, "INVALID_ARGUMENT", _TOO_LONG),
    "mistake": _error(400, "INVALID_ARGUMENT"),
}
_BROKEN = {"error": {"code": 503, "message": "The model is overloaded.", "status": "UNAVAILABLE"}}
_FREE = ("args", "parametersJsonSchema", "response", "responseJsonSchema")
"""Fields whose own fields are the client's."""
_SENTINEL = "skip_thought_signature_validator"
_GEMINI = re.compile(r"/v1beta/models/[\w.-]+:(generateContent|streamGenerateContent\?alt=sse)")
_PLACE = r"/v1/projects/my-project/locations/[a-z0-9-]+/publishers"
_ON_VERTEX = re.compile(_PLACE + r"/google/models/[\w.-]+:(generateContent|streamGenerateContent\?alt=sse)")
_PREDICTED = re.compile(_PLACE + r"/(anthropic|mistralai)/models/([\w.@-]+):(rawPredict|streamRawPredict)")
_OPEN = re.compile(r"/v1beta1/projects/my-project/locations/[a-z0-9-]+/endpoints/openapi/chat/completions")


def asked_of(body: dict[str, Any]) -> Asked:
    """Returns what a request of generateContent says."""
    calling = body.get("toolConfig", {}).get("functionCallingConfig", {})
    settings = body.get("generationConfig", {})
    names = [one["name"] for tool in body.get("tools", ()) for one in tool.get("functionDeclarations", ())]
    asked = Asked(
        told="\n".join(part["text"] for part in body.get("systemInstruction", {}).get("parts", ())),
        tools=names,
        forced=calling.get("allowedFunctionNames", ["*"])[0] if calling.get("mode") == "ANY" else "",
        wants_json=settings.get("responseMimeType") == "application/json",
        thinks=True,
        limit=settings.get("maxOutputTokens"),
        temperature=settings.get("temperature"),
        stops=settings.get("stopSequences", []),
    )
    for content in body["contents"]:
        for part in content["parts"]:
            _read(part, content["role"], asked)
    return asked


def _read(part: dict[str, Any], role: str, asked: Asked) -> None:
    if part.get("thoughtSignature", _SENTINEL) != _SENTINEL:
        asked.thoughts.append(part["thoughtSignature"])
    if "inlineData" in part:
        asked.seen.append(picture(part["inlineData"]["mimeType"], part["inlineData"]["data"]))
    elif "fileData" in part:
        asked.seen.append(part["fileData"]["fileUri"])
    elif "functionResponse" in part:
        asked.results.append(str(part["functionResponse"]["response"].get("output")))
    elif role == "user" and "text" in part:
        asked.said, asked.results = part["text"], []


def responses_of(asked: Asked, turn: Turn, *, ids: bool, shows: bool) -> list[dict[str, Any]]:
    """Returns the responses of a streamed answer; `shows`: with its thoughts, `ids`: calls have some."""
    made: list[dict[str, Any]] = []
    if turn.thinking and shows:
        made.append(response({"text": turn.thinking, "thought": True}))
    signature = {"thoughtSignature": turn.state or state_of(asked.said)}
    if turn.calls:
        for index, call in enumerate(turn.calls):
            called = {"name": call.name, "args": call.arguments, **({"id": f"x{index}"} if ids else {})}
            made.append(response({"functionCall": called, **(signature if index == 0 else {})}))
    else:
        made += [response({"text": half}) for half in turn.halves if half]
        if turn.broken:
            return made[:1]
        made.append(response({"text": "", **signature}))
    last = response({"text": ""}, finish="MAX_TOKENS" if turn.limited else "STOP")
    return [*made, {**last, "usageMetadata": _USAGE, "modelVersion": "fake", "responseId": "r1"}]


def merged(made: list[dict[str, Any]]) -> dict[str, Any]:
    """Returns the responses of a stream as one."""
    parts: list[dict[str, Any]] = []
    for part in (part for one in made for part in one["candidates"][0]["content"]["parts"]):
        if set(part) == {"text"} and parts and set(parts[-1]) == {"text"}:
            parts[-1] = {"text": parts[-1]["text"] + part["text"]}
        elif part.get("text") != "" or "thoughtSignature" in part:
            parts.append(part)
    finish = made[-1]["candidates"][0]["finishReason"]
    return {**made[-1], **response(*parts, finish=finish)}


def _camel(value: Any) -> Any:
    """Returns a body with its fields in camelCase: the API takes both spellings, and the SDK sends them mixed."""
    if isinstance(value, list):
        return [_camel(one) for one in value]
    if not isinstance(value, dict):
        return value
    named = {re.sub(r"_([a-z])", lambda found: found[1].upper(), name): one for name, one in value.items()}
    return {name: one if name in _FREE else _camel(one) for name, one in named.items()}


class Gemini(Fake):
    """The Gemini API, with a model of its third generation."""

    ids = True
    paths = _GEMINI

    def answer(self, request: Received) -> bytes:
        """Returns the whole answer to a request."""
        found = self.paths.fullmatch(request.target)
        assert request.method == "POST", request.method
        assert found, request.target
        self.check_key(request)
        body = check(_camel(request.fields), signed=True)
        asked = asked_of(body)
        asked.stream = found[1].startswith("stream")
        shows = body.get("generationConfig", {}).get("thinkingConfig", {}).get("includeThoughts", False)
        turn = self.turn(asked)
        self.states.add(turn.state or state_of(asked.said))
        made = responses_of(asked, turn, ids=self.ids, shows=shows)
        if not asked.stream:
            return whole(merged(made))
        pieces = [framed(one) for one in made]
        if turn.broken == "break":
            pieces.append(json.dumps(_BROKEN, indent=2).encode())
        return streamed(turn, pieces)

    def check_key(self, request: Received) -> None:
        """Raises Refused for a request without the key."""
        if request.headers.get("x-goog-api-key") != KEY:
            raise Refused("key", "")

    def error(self, kind: str, message: str) -> Told:
        """Returns an error before the answer."""
        return told_error(kind, ERRORS, message)


class Vertex(Gemini, ChatServer):
    """Vertex AI with Gemini, Claude, open models, and Mistral apart: project `my-project`, any token of its server."""

    ids = False
    paths = _ON_VERTEX

    def answer(self, request: Received) -> bytes:
        """Returns the whole answer to a request, whoever's model is asked."""
        if _OPEN.fullmatch(request.target):
            self.check_key(request)
            return self.chat(request.fields)
        found = _PREDICTED.fullmatch(request.target)
        if found is None:
            return super().answer(request)
        self.check_key(request)
        maker, model, method = found.groups()
        body = request.fields
        assert body.get("stream", False) is (method == "streamRawPredict"), "stream does not go with the method"
        if maker == "mistralai":
            return self._mistral(model, body)
        assert body.pop("anthropic_version") in ("vertex-2023-10-16", "2026-10-21")
        assert "model" not in body, "the model stands in the path"
        return claude.answered(self, {**body, "model": model.partition("@")[0]})

    def _mistral(self, model: str, body: dict[str, Any]) -> bytes:
        assert body["model"] == model, "the model stands in the path and in the body"
        assert "user" not in body, "Extra inputs are not permitted"
        ids = [call["id"] for message in body["messages"] for call in message.get("tool_calls") or ()]
        assert all(len(id) == 9 and id.isalnum() for id in ids), (
            "Tool call id must be a-z, A-Z, 0-9, with a length of 9"
        )
        assert body.get("tool_choice") != "required", "Input should be 'any'"
        body.pop("reasoning_effort", None)  # this model does not think
        return self.chat(body)

    def check_key(self, request: Received) -> None:
        """Raises Refused for a request without a token."""
        if not request.headers.get("authorization", "").startswith("Bearer token-"):
            raise Refused("key", "")

    def error(self, kind: str, message: str) -> Told:
        """Returns an error before the answer: in Google's form for both."""
        if kind == "key":
            return _error(401, "UNAUTHENTICATED", "Request had invalid authentication credentials.")
        return super().error(kind, message)
