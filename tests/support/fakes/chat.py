"""Chat completions, as servers speak them: requests and answers; and servers of open models."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from tests.support import chat_streams as wire
from tests.support.fakes.mind import CACHED_TOKENS, INPUT_TOKENS, OUTPUT_TOKENS, Asked, Turn, picture, seen_url
from tests.support.fakes.server import Fake, Received, Refused, Told, bearer, streamed, told_error, whole
from tests.support.strict_chat import COMMON, check

_THOUGHTS = ("reasoning_content", "reasoning")
_TOO_LONG = "This model's maximum context length is 128000 tokens. However, your messages resulted in 300000 tokens."


def _error(type: str, code: str | None, message: str = "{}") -> dict[str, Any]:
    return {"error": {"message": message, "type": type, "param": None, "code": code}}


ERRORS = {
    "key": Told(401, _error("invalid_request_error", "invalid_api_key", "Incorrect API key provided.")),
    "rate": Told(429, _error("requests", "rate_limit_exceeded"), "retry-after: 0.1\r\n"),
    "long": Told(400, _error("invalid_request_error", "context_length_exceeded", _TOO_LONG)),
    "mistake": Told(400, _error("invalid_request_error", None)),
}
_BROKEN = {"error": {"message": "The server had an error.", "type": "server_error", "param": None, "code": None}}


def asked_of(body: dict[str, Any]) -> Asked:
    """Returns what a request of chat completions says."""
    choice = body.get("tool_choice", "auto")
    asked = Asked(
        tools=[tool["function"]["name"] for tool in body.get("tools", ())],
        forced=choice["function"]["name"] if isinstance(choice, dict) else "*" if choice == "required" else "",
        parallel=body.get("parallel_tool_calls", True),
        wants_json=body.get("response_format", {}).get("type", "text") != "text",
        thinks=body.get("reasoning_effort", "none") != "none" and body.get("thinking") != {"type": "disabled"},
        limit=body.get("max_completion_tokens", body.get("max_tokens")),
        temperature=body.get("temperature"),
        stops=body.get("stop", []),
        stream=body.get("stream", False),
    )
    for message in body["messages"]:
        _read(message, asked)
    return asked


def _read(message: dict[str, Any], asked: Asked) -> None:
    role, content = message["role"], message.get("content")
    texts = [content] if isinstance(content, str) else [part["text"] for part in content or () if "text" in part]
    if role in ("system", "developer"):
        asked.told = "\n".join(texts)
    elif role == "tool":
        asked.results += texts
    elif role == "assistant":
        asked.thoughts += [message[name] for name in _THOUGHTS if message.get(name)]
    else:
        asked.said, asked.results = "\n".join(texts), []
        asked.seen += [_seen(part) for part in content if "text" not in part] if isinstance(content, list) else []


def _seen(part: dict[str, Any]) -> str:
    if "image_url" in part:
        return seen_url(part["image_url"]["url"])
    data = part["file"]["file_data"]
    return seen_url(data) if data.startswith("data:") else picture("application/pdf", data)


def usage_of(turn: Turn, *, details: bool = True) -> dict[str, Any]:
    """Returns what an answer has used."""
    used: dict[str, Any] = {
        "prompt_tokens": INPUT_TOKENS,
        "completion_tokens": OUTPUT_TOKENS,
        "total_tokens": INPUT_TOKENS + OUTPUT_TOKENS,
        "prompt_tokens_details": {"cached_tokens": CACHED_TOKENS},
    }
    if details:
        used["completion_tokens_details"] = {"reasoning_tokens": turn.reasoning_tokens}
    return used


def _finish(turn: Turn) -> str:
    return "length" if turn.limited else "tool_calls" if turn.calls else "stop"


def completion_of(turn: Turn, thoughts: str | None) -> dict[str, Any]:
    """Returns a whole answer; `thoughts` names the field that shows what was thought."""
    message: dict[str, Any] = {"role": "assistant", "content": turn.text or None, "refusal": None}
    if turn.thinking and thoughts:
        message[thoughts] = turn.thinking
    if turn.calls:
        message["tool_calls"] = [
            {"id": f"call{index:05}", "type": "function", "function": {"name": call.name, "arguments": call.json}}
            for index, call in enumerate(turn.calls)
        ]
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": _finish(turn)}
    head = {"id": "chatcmpl-1", "object": "chat.completion", "created": 1767225600, "model": "m"}
    return {**head, "choices": [choice], "usage": usage_of(turn)}


def chunks_of(turn: Turn, thoughts: str | None, *, usage: bool) -> list[dict[str, Any]]:
    """Returns the chunks of a streamed answer, up to its end or to where it breaks."""
    made = [wire.chunk({"role": "assistant", "content": ""})]
    if turn.broken:
        made.append(wire.chunk({"content": turn.halves[0]}))
        return [*made, _BROKEN] if turn.broken == "break" else made
    if turn.thinking and thoughts:
        half = len(turn.thinking) // 2
        made += [wire.chunk({thoughts: part}) for part in (turn.thinking[:half], turn.thinking[half:])]
    made += [wire.chunk({"content": half}) for half in turn.halves if half]
    for index, call in enumerate(turn.calls):
        begun = {"index": index, "id": f"call{index:05}", "type": "function"}
        made.append(wire.chunk({"tool_calls": [{**begun, "function": {"name": call.name, "arguments": ""}}]}))
        for piece in (call.json[:3], call.json[3:]):
            made.append(wire.chunk({"tool_calls": [{"index": index, "function": {"arguments": piece}}]}))
    made.append(wire.chunk({}, _finish(turn)))
    return [*made, wire.chunk(None, usage=usage_of(turn))] if usage else made


class ChatServer(Fake):
    """A server of chat completions at `/v1`; how it differs stands in its class."""

    keys: Iterable[str] = COMMON
    thoughts: str | None = "reasoning_content"
    always_thinks = False
    errors = ERRORS

    def answer(self, request: Received) -> bytes:
        """Returns the whole answer to a request."""
        assert (request.method, request.target) == ("POST", "/v1/chat/completions"), request.target
        bearer(request)
        return self.chat(request.fields)

    def chat(self, fields: dict[str, Any]) -> bytes:
        """Returns the answer to the body of a request; raises what checks raise."""
        body = check(fields, keys=self.keys)
        self.check_more(body)
        asked = asked_of(body)
        asked.thinks = asked.thinks or self.always_thinks
        turn = self.turn(asked)
        if not asked.stream:
            return whole(completion_of(turn, self.thoughts))
        usage = body.get("stream_options", {}).get("include_usage", False)
        made = [*self.first_chunks(), *chunks_of(turn, self.thoughts, usage=usage)]
        pieces = [wire.sse(one, done=False) for one in made]
        return streamed(turn, pieces if turn.broken else [*pieces, wire.sse()])

    def check_more(self, body: dict[str, Any]) -> None:
        """Raises Refused and AssertionError for what this server does not take."""

    def first_chunks(self) -> list[dict[str, Any]]:
        """Returns what this server sends before anything of the answer."""
        return []

    def error(self, kind: str, message: str) -> Told:
        """Returns an error before the answer."""
        return told_error(kind, self.errors, message)


class DeepSeek(ChatServer):
    """DeepSeek: it always thinks, wants its thinking back while it works with tools, and knows no schemas."""

    always_thinks = True
    keys = (COMMON | {"thinking"}) - {"user"}

    def check_more(self, body: dict[str, Any]) -> None:
        """Raises Refused for a schema, AssertionError for thinking that is missing."""
        assert body.get("reasoning_effort") != "none", "unknown variant `none`"
        if body.get("response_format", {}).get("type") == "json_schema":
            raise Refused("mistake", "This response_format type is unavailable now")
        told = json.dumps(body["messages"]).lower()
        assert "response_format" not in body or "json" in told, "Prompt must contain the word 'json'"
        for message in body["messages"]:
            assert not message.get("tool_calls") or message.get("reasoning_content"), (
                "The reasoning_content in the thinking mode must be passed back to the API."
            )


class Vllm(ChatServer):
    """vLLM with a model that thinks and sees."""

    thoughts = "reasoning"
    keys = COMMON | {"max_completion_tokens"}
