"""One fake of every API that models are asked over: thinks, says and calls something in each turn, and reads it back.

A turn's thinking has a secret that only its maker can read. What a request says of the turns before is told as a list
of entries, the same for all APIs, so that it can be compared with what was said.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from contextlib import AsyncExitStack
from functools import partial
from typing import Any, Literal, NamedTuple, Self

from tests.support import converse, gemini, messages, strict_converse, strict_gemini, strict_messages
from tests.support.claude import streamed
from tests.support.event_stream import chunks
from tests.support.hostile import HostileUpstream, Peer, chunked, fixed
from tests.support.responses_streams import Upstream, message_item, response_object
from tests.support.scripted import chunk, finish

LAST_TURN = 3
Body = dict[str, Any]
Entry = tuple[str, ...]
"""`(user, text)`, `(secret, secret)`, `(text, text)`, `(call, id, at)`, `(result, id, text)`."""


class Said(NamedTuple):
    """What a place says in a turn: a thought and its secret, a text, a call (but not in the last turn)."""

    place: str
    turn: int

    @property
    def thought(self) -> str:
        """What it thinks."""
        return f"{self.place} thinks {self.turn}."

    @property
    def secret(self) -> str:
        """What only itself can read."""
        secret = f"secret {self.turn} of {self.place}"
        return base64.b64encode(secret.encode() + b" " * (-len(secret) % 3)).decode()

    @property
    def text(self) -> str:
        """What it says."""
        return f"{self.place} says {self.turn}."

    @property
    def call_id(self) -> str:
        """The id of its call."""
        return f"{self.place}_{self.turn}"

    @property
    def at(self) -> str:
        """The argument of its call."""
        return f"{self.place}/{self.turn}"

    @property
    def calls(self) -> bool:
        """Whether it calls."""
        return self.turn < LAST_TURN


class Wire(NamedTuple):
    """An API: its answers in one piece and streamed, what a request says, and where the secret of a turn stands."""

    whole: Callable[[Said], bytes]
    stream: Callable[[Said], list[bytes]]
    entries: Callable[[Body], list[Entry]]
    before: Literal["text", "call", "nothing"] = "text"
    frames: str = "text/event-stream"


# --- the Messages API


def _blocks(said: Said) -> list[Body]:
    made: list[Body] = [
        {"type": "thinking", "thinking": said.thought, "signature": said.secret},
        {"type": "text", "text": said.text},
    ]
    if said.calls:
        made.append({"type": "tool_use", "id": said.call_id, "name": "get", "input": {"at": said.at}})
    return made


def _messages_whole(said: Said) -> bytes:
    return messages.answer(*_blocks(said), reason="tool_use" if said.calls else "end_turn")


def _messages_entries(body: Body) -> list[Entry]:
    sent = {name: one for name, one in body.items() if name not in ("anthropic_version", "anthropic_beta")}
    strict_messages.check({"model": "claude-sonnet-4-5", **sent})
    made: list[Entry] = []
    for message in body["messages"]:
        for block in message["content"]:
            kind = block["type"]
            if kind == "thinking":
                assert block["thinking"].endswith(f"thinks {made_by(block['signature']).turn}.")
                made.append(("secret", block["signature"]))
            elif kind == "tool_use":
                made.append(("call", block["id"], block["input"]["at"]))
            elif kind == "tool_result":
                made.append(("result", block["tool_use_id"], block["content"][0]["text"]))
            else:
                made.append(("text" if message["role"] == "assistant" else "user", block["text"]))
    return made


def made_by(secret: str) -> Said:
    """Returns the turn whose secret it is."""
    _, turn, _, place = base64.b64decode(secret).decode().split()
    return Said(place, int(turn))


# --- Converse


def _converse_whole(said: Said) -> bytes:
    content: list[Body] = [
        {"reasoningContent": {"reasoningText": {"text": said.thought, "signature": said.secret}}},
        {"text": said.text},
    ]
    if said.calls:
        content.append({"toolUse": {"toolUseId": said.call_id, "name": "get", "input": {"at": said.at}}})
    return converse.answer(*content, reason="tool_use" if said.calls else "end_turn")


def _converse_stream(said: Said) -> list[bytes]:
    made = [converse.START, converse.thinking(0, said.thought, signature=said.secret), converse.text(1, said.text)]
    if said.calls:
        made.append(converse.tool(2, said.call_id, "get", json.dumps({"at": said.at})))
    return [*made, converse.end("tool_use" if said.calls else "end_turn")]


def _converse_entries(body: Body) -> list[Entry]:
    strict_converse.check(body)
    made: list[Entry] = []
    for message in body["messages"]:
        for block in message["content"]:
            if "reasoningContent" in block:
                made.append(("secret", block["reasoningContent"]["reasoningText"]["signature"]))
            elif "toolUse" in block:
                made.append(("call", block["toolUse"]["toolUseId"], block["toolUse"]["input"]["at"]))
            elif "toolResult" in block:
                result = block["toolResult"]
                made.append(("result", result["toolUseId"], result["content"][0]["text"]))
            else:
                made.append(("text" if message["role"] == "assistant" else "user", block["text"]))
    return made


# --- generateContent


def _gemini_parts(said: Said) -> list[Body]:
    made: list[Body] = [{"text": said.thought, "thought": True}, {"text": said.text}]
    if said.calls:
        called = {"name": "get", "args": {"at": said.at}, "id": said.call_id}
        return [*made, {"functionCall": called, "thoughtSignature": said.secret}]
    return [*made, {"text": "", "thoughtSignature": said.secret}]


def _gemini_whole(said: Said) -> bytes:
    return gemini.dumped(gemini.response(*_gemini_parts(said), finish="STOP"))


def _gemini_stream(said: Said) -> list[bytes]:
    return [gemini.framed(*(gemini.response(part) for part in _gemini_parts(said))), gemini.framed(gemini.STOP)]


def _gemini_entries(body: Body) -> list[Entry]:
    strict_gemini.check(body, signed=True)
    made: list[Entry] = []
    for content in body["contents"]:
        for part in content["parts"]:
            signature = part.get("thoughtSignature", "")
            if signature and not signature.startswith("skip_"):
                made.append(("secret", signature))
            if "functionCall" in part:
                made.append(("call", part["functionCall"]["id"], part["functionCall"]["args"]["at"]))
            elif "functionResponse" in part:
                result = part["functionResponse"]
                made.append(("result", result["id"], result["response"]["output"]))
            elif part["text"]:
                made.append(("text" if content["role"] == "model" else "user", part["text"]))
    return made


# --- the Responses API


def _items(said: Said) -> list[Body]:
    summary = [{"type": "summary_text", "text": said.thought}]
    made: list[Body] = [
        {"type": "reasoning", "id": f"rs_{said.turn}", "summary": summary, "encrypted_content": said.secret},
        message_item(said.text, id=f"msg_{said.turn}"),
    ]
    if said.calls:
        call = {"type": "function_call", "id": f"fc_{said.turn}", "call_id": said.call_id, "name": "get"}
        made.append({**call, "status": "completed", "arguments": json.dumps({"at": said.at})})
    return made


def _responses_whole(said: Said) -> bytes:
    return json.dumps(response_object("completed", output=_items(said))).encode()


def _responses_stream(said: Said) -> list[bytes]:
    up = Upstream()
    items = _items(said)
    made = [up.begin()]
    made.append(up.event("output_item.added", output_index=0, item={**items[0], "encrypted_content": None}))
    made.append(up.event("output_item.done", output_index=0, item=items[0]))
    made.append(up.message(said.text, index=1, id=items[1]["id"]))
    for call in items[2:]:
        place = {"item_id": call["id"], "output_index": 2}
        made.append(up.event("output_item.added", output_index=2, item={**call, "arguments": ""}))
        made.append(up.event("function_call_arguments.delta", **place, delta=call["arguments"]))
        made.append(up.event("function_call_arguments.done", **place, arguments=call["arguments"], name="get"))
        made.append(up.event("output_item.done", output_index=2, item=call))
    return [*made, up.end(*items)]


def _responses_entries(body: Body) -> list[Entry]:
    assert body["store"] is False
    made: list[Entry] = []
    for item in body["input"]:
        kind = item.get("type", "message")
        if kind == "reasoning":
            made.append(("secret", item["encrypted_content"]))
        elif kind == "function_call":
            made.append(("call", item["call_id"], json.loads(item["arguments"])["at"]))
        elif kind == "function_call_output":
            made.append(("result", item["call_id"], item["output"]))
        else:
            text = item["content"] if isinstance(item["content"], str) else item["content"][0]["text"]
            made.append(("text" if item["role"] == "assistant" else "user", text))
    return made


# --- chat completions


def _chat_message(said: Said, *, thinks: bool) -> Body:
    made: Body = {"reasoning_content": said.thought} if thinks else {}
    made["content"] = said.text
    if said.calls:
        function = {"name": "get", "arguments": json.dumps({"at": said.at})}
        made["tool_calls"] = [{"index": 0, "id": said.call_id, "type": "function", "function": function}]
    return made


def _chat_whole(said: Said, *, thinks: bool) -> bytes:
    message = {"role": "assistant", **_chat_message(said, thinks=thinks)}
    reason = "tool_calls" if said.calls else "stop"
    return json.dumps({"choices": [{"index": 0, "message": message, "finish_reason": reason}]}).encode()


def _chat_stream(said: Said, *, thinks: bool) -> list[bytes]:
    deltas = [chunk(**{name: one}) for name, one in _chat_message(said, thinks=thinks).items()]
    return [*deltas, finish("tool_calls" if said.calls else "stop")]


def _chat_entries(body: Body) -> list[Entry]:
    made: list[Entry] = []
    for message in body["messages"]:
        if message["role"] == "tool":
            made.append(("result", message["tool_call_id"], message["content"]))
            continue
        thought = message.get("reasoning_content", "").strip()
        if thought.startswith("deepseek "):
            made.append(("secret", thought))
        if message["content"]:
            made.append(("text" if message["role"] == "assistant" else "user", message["content"]))
        for call in message.get("tool_calls", ()):
            made.append(("call", call["id"], json.loads(call["function"]["arguments"])["at"]))
    return made


def _chat(*, thinks: bool) -> Wire:
    return Wire(
        lambda said: _chat_whole(said, thinks=thinks), lambda said: _chat_stream(said, thinks=thinks), _chat_entries,
        before="text" if thinks else "nothing",
    )  # fmt: skip


FRAMES = "application/vnd.amazon.eventstream"
MESSAGES = Wire(_messages_whole, lambda said: streamed(_blocks(said)), _messages_entries)
INVOKE = MESSAGES._replace(stream=lambda said: [chunks(*streamed(_blocks(said)))], frames=FRAMES)
CONVERSE = Wire(_converse_whole, _converse_stream, _converse_entries, frames=FRAMES)
GEMINI = Wire(_gemini_whole, _gemini_stream, _gemini_entries, before="call")
RESPONSES = Wire(_responses_whole, _responses_stream, _responses_entries)


class Place(NamedTuple):
    """An upstream: its settings in the file, one model, its API, and who can read its secrets (`""`: there are none).

    `{}` in the settings is where it is.
    """

    name: str
    settings: str
    model: str
    wire: Wire
    family: str

    def secret(self, turn: int) -> str:
        """Returns the secret of a turn; where thinking comes back as it was said, that is the secret."""
        said = Said(self.name, turn)
        return said.thought if self.family == "chat" else said.secret


_AWS = "kind: bedrock, region: us-east-1, api_key: key-123456, base_url: '{}'"
_GOOGLE = "kind: vertex, project: p, location: us-east1, base_url: '{}', credentials: env:ACCOUNT"
CLAUDE = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
PLACES = [
    Place(
        "anthropic", "kind: anthropic, api_key: key-123456, base_url: '{}'", "claude-sonnet-4-5", MESSAGES, "anthropic"
    ),
    Place("converse", _AWS, CLAUDE, CONVERSE, "bedrock"),
    Place("invoke", f"{_AWS}, api: invoke", CLAUDE, INVOKE, "bedrock"),
    Place(
        "gemini", "kind: gemini, api_key: key-123456, base_url: '{}'", "gemini-3-flash-preview", GEMINI, "gemini"
    ),
    Place("vertex-gemini", _GOOGLE, "gemini-3-flash-preview", GEMINI, "vertex"),
    Place("vertex-claude", _GOOGLE, "claude-sonnet-4-5@20250929", MESSAGES, "anthropic"),
    Place("responses", "kind: openai, api_key: key-123456, base_url: '{}'", "gpt-5", RESPONSES, "openai"),
    Place("chat", "kind: openai, api: chat, api_key: key-123456, base_url: '{}'", "gpt-5", _chat(thinks=False), ""),
    Place(
        "deepseek", "kind: openai-compatible, preset: deepseek, api_key: key-123456, base_url: '{}'",
        "deepseek-reasoner", _chat(thinks=True), "chat",
    ),
]  # fmt: skip


class World:
    """All places, each at an address of its own, for `async with`; `requests` are what they were sent, in order."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, bytes]] = []
        self._open = AsyncExitStack()
        self._at: dict[str, HostileUpstream] = {}

    async def __aenter__(self) -> Self:
        for place in PLACES:
            upstream = HostileUpstream(partial(self._talk, place))
            self._at[place.name] = await self._open.enter_async_context(upstream)
        return self

    async def __aexit__(self, *_exc: object) -> None:
        await self._open.aclose()

    def settings(self, place: Place) -> str:
        """Returns the settings of a place as the file says them."""
        return f"{{{place.settings.format(self._at[place.name].origin)}}}"

    async def _talk(self, place: Place, peer: Peer) -> None:
        while True:
            head, _, raw = (await peer.request()).partition(b"\r\n\r\n")
            self.requests.append((place.name, raw))
            body = json.loads(raw)
            said = Said(place.name, 1 + sum(entry[0] == "call" for entry in place.wire.entries(body)))
            if body.get("stream") or b"stream" in head.partition(b" HTTP/")[0].lower():
                parts = place.wire.stream(said)
                await peer.send(chunked(*parts, headers=f"content-type: {place.wire.frames}\r\n"))
            else:
                await peer.send(fixed(place.wire.whole(said), headers="content-type: application/json\r\n"))
