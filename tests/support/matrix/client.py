"""A client that says the same over both APIs, streamed or not, and reads the answers into one form."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import aiohttp
import msgspec

from tests.support.chat_streams import payloads
from tests.support.grammar import STRICT, Profile, check_response, check_stream

Api = Literal["responses", "chat"]

SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
    "additionalProperties": False,
}
TOOL = "get_weather"
_ABOUT = "Tells the weather."
_TOOLS: dict[Api, dict[str, Any]] = {
    "responses": {"type": "function", "name": TOOL, "description": _ABOUT, "parameters": SCHEMA, "strict": False},
    "chat": {"type": "function", "function": {"name": TOOL, "description": _ABOUT, "parameters": SCHEMA}},
}


class Said(msgspec.Struct):
    """A call: its id, the name of the tool, its arguments."""

    id: str
    name: str
    arguments: Any


class Answer(msgspec.Struct, kw_only=True):
    """What came back. `ended` is `completed`, `incomplete: REASON`, `failed: CODE` or, without an answer, `refused`.

    `turn` is what goes back with the next request of a client that keeps the conversation itself, `asked` the fields of
    the request.
    """

    status: int
    headers: Mapping[str, str]
    ended: str = "refused"
    text: str = ""
    thinking: str = ""
    calls: list[Said] = []
    usage: dict[str, int] = {}
    error: dict[str, Any] = {}
    turn: list[dict[str, Any]] = []
    id: str = ""
    asked: frozenset[str] = frozenset()

    @property
    def ignored(self) -> list[str]:
        """The parameters that had no effect, as the head of the answer names them."""
        return [name for name in self.headers.get("x-penstock-ignored-params", "").split(", ") if name]


class Client:
    """Asks one model over one API, streamed or not. `profile` says how strictly streams of Responses are judged."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        url: str,
        model: str,
        *,
        api: Api,
        stream: bool,
        profile: Profile = STRICT,
    ) -> None:
        self.session = session
        self.url = url
        self.model = model
        self.api: Api = api
        self.stream = stream
        self.profile = profile

    async def ask(self, turns: Sequence[dict[str, Any]], **fields: Any) -> Answer:
        """Sends items (or messages) of this client's API; `fields` stand beside them. Returns the answer, checked."""
        name, path = ("messages", "/chat/completions") if self.api == "chat" else ("input", "/responses")
        body = {"model": self.model, name: list(turns), "stream": self.stream, **fields}
        if self.api == "chat" and self.stream:
            body["stream_options"] = {"include_usage": True}
        async with self.session.post(self.url + path, json=body) as response:
            headers = {name.lower(): value for name, value in response.headers.items()}
            data = await response.read()
        answer = Answer(status=response.status, headers=headers, asked=frozenset(body))
        if answer.status != 200:
            answer.error = json.loads(data)["error"]
            assert set(answer.error) == {"message", "type", "param", "code"}, answer.error
        elif self.api == "chat":
            _read_chat(answer, _joined(data) if self.stream else _choice(json.loads(data)))
        else:
            _read_response(answer, self._response(data))
        return answer

    def _response(self, data: bytes) -> dict[str, Any]:
        if self.stream:
            return check_stream(data, profile=self.profile).response
        made: dict[str, Any] = json.loads(data)
        check_response(made, self.profile)
        return made

    # --- what is said

    def user(self, text: str, *parts: dict[str, Any]) -> dict[str, Any]:
        """Returns a turn of the user: a text, and what `picture` and `document` return."""
        if not parts:
            return {"role": "user", "content": text}
        kind = "text" if self.api == "chat" else "input_text"
        return {"role": "user", "content": [{"type": kind, "text": text}, *parts]}

    def picture(self, url: str) -> dict[str, Any]:
        """Returns a picture."""
        if self.api == "chat":
            return {"type": "image_url", "image_url": {"url": url}}
        return {"type": "input_image", "image_url": url, "detail": "auto"}

    def document(self, url: str) -> dict[str, Any]:
        """Returns a document that is in its address."""
        file = {"filename": "river.pdf", "file_data": url}
        return {"type": "file", "file": file} if self.api == "chat" else {"type": "input_file", **file}

    def results(self, calls: Sequence[Said], *texts: str) -> list[dict[str, Any]]:
        """Returns what came of calls."""
        pairs = zip(calls, texts, strict=True)
        if self.api == "chat":
            return [{"role": "tool", "tool_call_id": call.id, "content": text} for call, text in pairs]
        return [{"type": "function_call_output", "call_id": call.id, "output": text} for call, text in pairs]

    # --- what is asked for

    def told(self, text: str) -> dict[str, Any]:
        """Returns the developer's turn."""
        return {"role": "system" if self.api == "chat" else "developer", "content": text}

    def tools(self, choice: str = "auto") -> dict[str, Any]:
        """Returns the fields that declare the tool; `choice` may be its name."""
        named = {"type": "function", "name": choice}
        if self.api == "chat":
            named = {"type": "function", "function": {"name": choice}}  # type: ignore[dict-item]
        return {"tools": [_TOOLS[self.api]], "tool_choice": named if choice == TOOL else choice}

    def effort(self) -> dict[str, Any]:
        """Returns the fields that ask for some thinking, and to see it where there is a word for that."""
        if self.api == "chat":
            return {"reasoning_effort": "low"}
        return {"reasoning": {"effort": "low", "summary": "auto"}}

    def schema(self) -> dict[str, Any]:
        """Returns the fields that ask for JSON."""
        form = {"name": "place", "schema": SCHEMA, "strict": True}
        if self.api == "chat":
            return {"response_format": {"type": "json_schema", "json_schema": form}}
        return {"text": {"format": {"type": "json_schema", **form}}}


def _read_response(answer: Answer, made: dict[str, Any]) -> None:
    error, incomplete = made["error"], made["incomplete_details"]
    reason = f": {error['code']}" if error else f": {incomplete['reason']}" if incomplete else ""
    answer.id, answer.turn, answer.ended = made["id"], made["output"], made["status"] + reason
    answer.error = error or {}
    for item in made["output"]:
        if item["type"] == "message":
            answer.text += "".join(part["text"] for part in item["content"])
        elif item["type"] == "reasoning":
            answer.thinking += "".join(part["text"] for part in (*item["summary"], *item.get("content", ())))
        else:
            answer.calls.append(Said(item["call_id"], item["name"], json.loads(item["arguments"])))
    if used := made["usage"]:
        answer.usage = {
            "input": used["input_tokens"],
            "cached": used["input_tokens_details"]["cached_tokens"],
            "output": used["output_tokens"],
            "thought": used["output_tokens_details"]["reasoning_tokens"],
            "total": used["total_tokens"],
        }


_THINKING = ("reasoning_content", "reasoning")


def _read_chat(answer: Answer, made: dict[str, Any]) -> None:
    message, finish = made["message"], made["finish_reason"]
    answer.turn = [message]
    answer.text = message.get("content") or ""
    answer.thinking = next((message[name] for name in _THINKING if message.get(name)), "")
    for call in message.get("tool_calls") or ():
        answer.calls.append(Said(call["id"], call["function"]["name"], json.loads(call["function"]["arguments"])))
    endings = {"stop": "completed", "tool_calls": "completed", "length": "incomplete: max_output_tokens"}
    answer.error = made.get("error") or {}
    answer.ended = f"failed: {answer.error['code']}" if answer.error else endings[finish]
    assert (finish == "tool_calls") is bool(answer.calls), finish
    if used := made.get("usage"):
        answer.usage = {
            "input": used["prompt_tokens"],
            "cached": (used.get("prompt_tokens_details") or {}).get("cached_tokens", 0),
            "output": used["completion_tokens"],
            "thought": (used.get("completion_tokens_details") or {}).get("reasoning_tokens", 0),
            "total": used["total_tokens"],
        }


def _choice(made: dict[str, Any]) -> dict[str, Any]:
    return {**made["choices"][0], "usage": made.get("usage")}


def _joined(data: bytes) -> dict[str, Any]:
    """Returns a stream as if it had come whole: its message with all that the deltas held, in one choice."""
    found = payloads(data)
    message: dict[str, Any] = {}
    made: dict[str, Any] = {"message": message, "finish_reason": None}
    if found[-1] == b"[DONE]":
        found.pop()
    else:
        assert "error" in json.loads(found[-1]), "a stream without an end"
    for chunk in map(json.loads, found):
        made.update({name: chunk[name] for name in ("error", "usage") if chunk.get(name)})
        for choice in chunk.get("choices", ()):
            made["finish_reason"] = choice["finish_reason"] or made["finish_reason"]
            _add(message, choice["delta"])
    return made


def _add(message: dict[str, Any], delta: dict[str, Any]) -> None:
    for name, value in delta.items():
        if name == "tool_calls":
            _add_calls(message.setdefault(name, []), value)
        elif isinstance(value, list):
            message.setdefault(name, []).extend(value)
        elif name == "role" or value is None:
            message.setdefault(name, value)
        else:
            message[name] = (message.get(name) or "") + value


def _add_calls(calls: list[dict[str, Any]], deltas: list[dict[str, Any]]) -> None:
    for delta in deltas:
        if delta["index"] == len(calls):
            begun = {"id": delta["id"], "type": delta["type"], "function": {**delta["function"], "arguments": ""}}
            calls.append(begun)
        calls[delta["index"]]["function"]["arguments"] += delta["function"].get("arguments", "")
