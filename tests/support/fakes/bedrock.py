"""Amazon Bedrock: any model over Converse, Claude by InvokeModel; signed requests, or a key."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import unquote

from tests.support import converse as wire
from tests.support.aws_signature import BadSignature, signed_by
from tests.support.event_stream import chunks, exception
from tests.support.fakes import claude
from tests.support.fakes.mind import CACHED_TOKENS, INPUT_TOKENS, OUTPUT_TOKENS, Asked, Turn, picture
from tests.support.fakes.server import KEY, Fake, Received, Refused, Told, streamed, told_error, whole
from tests.support.strict_converse import check
from tests.support.strict_messages import check as check_messages

REGION = "eu-west-1"
ACCESS_KEY = "AKIDEXAMPLE"
SECRET = "secret-of-the-fake"

_FRAMES = "content-type: application/vnd.amazon.eventstream\r\n"
_TARGET = re.compile(r"/model/([^/]+)/(converse|converse-stream|invoke|invoke-with-response-stream)")
_USAGE = {
    "inputTokens": INPUT_TOKENS - CACHED_TOKENS,
    "cacheReadInputTokens": CACHED_TOKENS,
    "outputTokens": OUTPUT_TOKENS,
    "totalTokens": INPUT_TOKENS + OUTPUT_TOKENS,
}


def _error(status: int, kind: str, message: str = "{}") -> Told:
    return Told(status, {"message": message}, f"x-amzn-errortype: {kind}:http://internal.amazon.com/\r\n")


ERRORS = {
    "key": _error(403, "UnrecognizedClientException", "The security token included in the request is invalid."),
    "rate": _error(429, "ThrottlingException"),
    "long": _error(400, "ValidationException", "Input is too long for requested model."),
    "mistake": _error(400, "ValidationException"),
}
_MEDIA = {"pdf": "application/pdf", "txt": "text/plain"}


def asked_of(body: dict[str, Any]) -> Asked:
    """Returns what a request of Converse says."""
    config, extra = body.get("toolConfig", {}), body.get("additionalModelRequestFields", {})
    choice, own = config.get("toolChoice", {}), extra.get("tool_choice", {})
    names = [tool["toolSpec"]["name"] for tool in config.get("tools", ()) if "toolSpec" in tool]
    forced = "*" if "any" in choice or own.get("type") == "any" else choice.get("tool", own).get("name", "")
    inference = body.get("inferenceConfig", {})
    asked = Asked(
        told="\n".join(block["text"] for block in body.get("system", ()) if "text" in block),
        tools=names,
        forced=forced,
        parallel=not own.get("disable_parallel_tool_use", False),
        wants_json="textFormat" in body.get("outputConfig", {}),
        thinks=extra.get("reasoningConfig", extra.get("thinking", {})).get("type") in ("adaptive", "enabled"),
        limit=inference.get("maxTokens"),
        temperature=inference.get("temperature"),
        stops=inference.get("stopSequences", []),
    )
    for message in body["messages"]:
        for block in message["content"]:
            _read(block, message["role"], asked)
    return asked


def _read(block: dict[str, Any], role: str, asked: Asked) -> None:
    if "toolResult" in block:
        asked.results += [one["text"] for one in block["toolResult"]["content"] if "text" in one]
    elif "image" in block or "document" in block:
        [(kind, value)] = block.items()
        media = f"image/{value['format']}" if kind == "image" else _MEDIA[value["format"]]
        asked.seen.append(picture(media, value["source"]["bytes"]))
    elif "reasoningContent" in block:
        asked.thoughts.append(block["reasoningContent"]["reasoningText"]["signature"])
    elif "text" in block and role == "user":
        asked.said, asked.results = block["text"], []


def _reason(turn: Turn) -> str:
    return "max_tokens" if turn.limited else "tool_use" if turn.calls else "end_turn"


def answer_of(turn: Turn) -> bytes:
    """Returns a whole answer."""
    blocks: list[dict[str, Any]] = []
    if turn.thinking:
        blocks.append({"reasoningContent": {"reasoningText": {"text": turn.thinking, "signature": turn.state}}})
    if turn.text:
        blocks.append({"text": turn.text})
    for index, call in enumerate(turn.calls):
        blocks.append({"toolUse": {"toolUseId": f"tooluse_{index}", "name": call.name, "input": call.arguments}})
    return wire.answer(*blocks, reason=_reason(turn), usage=_USAGE, metrics={"latencyMs": 1})


def frames_of(turn: Turn) -> list[bytes]:
    """Returns the messages of a streamed answer, in pieces as they come."""
    if turn.broken:
        pieces = [wire.START, wire.said(0, turn.halves[0])]
        return [*pieces, exception("serviceUnavailableException")] if turn.broken == "break" else pieces
    pieces, index = [wire.START], 0
    if turn.thinking:
        half = len(turn.thinking) // 2
        pieces.append(wire.thinking(0, turn.thinking[:half], turn.thinking[half:], signature=turn.state))
        index += 1
    if turn.text:
        pieces.append(wire.text(index, *turn.halves))
        index += 1
    for place, call in enumerate(turn.calls):
        pieces.append(wire.tool(index + place, f"tooluse_{place}", call.name, call.json[:3], call.json[3:]))
    return [*pieces, wire.end(_reason(turn), usage=_USAGE)]


class Bedrock(Fake):
    """Bedrock in one region, for one account."""

    def answer(self, request: Received) -> bytes:
        """Returns the whole answer to a request."""
        found = _TARGET.fullmatch(request.target)
        assert request.method == "POST", request.method
        assert found, request.target
        self._check_key(request)
        stream = found[2].endswith("-stream")
        if found[2].startswith("invoke"):
            return self._invoke(unquote(found[1]), request.fields, stream=stream)
        asked = asked_of(check(request.body, operation="ConverseStream" if stream else "Converse"))
        asked.stream = stream
        turn = self.turn(asked)
        return streamed(turn, frames_of(turn), _FRAMES) if stream else whole(answer_of(turn))

    def _check_key(self, request: Received) -> None:
        if request.headers.get("authorization") == f"Bearer {KEY}":
            return
        try:
            signer = signed_by(request.raw, SECRET, REGION)
        except BadSignature as bad:
            raise Refused("key", str(bad)) from None
        if signer != ACCESS_KEY:
            raise Refused("key", signer)

    def _invoke(self, model: str, body: dict[str, Any], *, stream: bool) -> bytes:
        assert body.pop("anthropic_version") in ("bedrock-2023-05-31", "2026-10-21")
        assert not {"model", "stream"} & set(body), "the model and whether it streams stand in the path"
        assert all(isinstance(beta, str) for beta in body.pop("anthropic_beta", ()))
        asked = claude.asked_of(check_messages({**body, "model": _name(model)}))
        asked.stream = stream
        turn = self.turn(asked)
        if not stream:
            return whole(claude.message_of(turn))
        events = claude.events_of(turn)
        if turn.broken == "break":
            return streamed(turn, [chunks(*events[:-1]), exception("serviceUnavailableException")], _FRAMES)
        return streamed(turn, [chunks(event) for event in events], _FRAMES)

    def error(self, kind: str, message: str) -> Told:
        """Returns an error before the answer."""
        return told_error(kind, ERRORS, message)


def _name(model: str) -> str:
    """Returns what Anthropic calls a model of Bedrock: `us.anthropic.claude-x-20250929-v1:0` is `claude-x`."""
    return re.sub(r"(-\d{8})?(-v\d+(:\d+)?)?$", "", model.rpartition("anthropic.")[2])
