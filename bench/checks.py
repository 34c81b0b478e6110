"""Checks one answer as a client got it: every event, in its place, with its text. Sans-IO."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator
from itertools import accumulate
from typing import Any

import msgspec

from .answers import Order, arguments, pieces, usage

_decode = msgspec.json.decode

_BEGIN = ("response.created", "response.in_progress", "response.output_item.added")
_END = ("response.output_item.done", "response.completed")


class _Shape(msgspec.Struct, frozen=True):
    """The events of an answer that has one item: those in front of its deltas, these, and those behind them."""

    opening: tuple[str, ...]
    delta: str
    closing: tuple[str, ...]


_TEXT = _Shape(
    (*_BEGIN, "response.content_part.added"),
    "response.output_text.delta",
    ("response.output_text.done", "response.content_part.done", *_END),
)
_CALL = _Shape(_BEGIN, "response.function_call_arguments.delta", ("response.function_call_arguments.done", *_END))


_MOMENT = re.compile(r"@(\d+)$")


class WrongAnswer(Exception):
    """An answer is not what the upstream said; the message says where."""


class Checked(msgspec.Struct):
    """What a good stream tells about time.

    `began_ns` is when the upstream began, by the monotonic clock; `ends` has for each piece the number of body bytes up
    to the end of its event.
    """

    began_ns: int
    ends: list[int]


def check_stream(dialect: str, body: bytes, order: Order, *, strict: bool = True) -> Checked:
    """Checks a streamed answer in a client's dialect, `responses` or `chat`; raises WrongAnswer.

    Where it is not `strict`, events need neither names nor numbers, and pieces may be cut anew: a piece ends with the
    event that brings the last of it.
    """
    found = _responses_pieces(body, order, strict) if dialect == "responses" else _chat_pieces(body, order)
    texts, checked, finals = found
    moment = _MOMENT.search(texts[0] if strict or not texts else _first_word("".join(texts))) if texts else None
    if moment is None:
        raise WrongAnswer(f"the first piece is {texts[0] if texts else None!r}, which is no moment")
    checked.began_ns = int(moment[1])
    expected = pieces(order.number, order.pieces, checked.began_ns)
    if order.tool:
        expected = arguments(expected)
    if not strict and texts != expected and "".join(texts) == "".join(expected):
        texts, checked.ends = expected, _recut(texts, checked.ends, expected)
    for index, (text, due) in enumerate(zip(texts, expected, strict=False)):
        if text != due:
            raise WrongAnswer(f"piece {index} is {text!r} where {due!r} should stand")
    if len(texts) != len(expected):
        raise WrongAnswer(f"{len(texts)} pieces came of {len(expected)}")
    joined = "".join(expected)
    for place, text in finals:
        if text != joined:
            raise WrongAnswer(f"the text of {place} is not what the pieces say")
    return checked


def _recut(texts: list[str], ends: list[int], expected: list[str]) -> list[int]:
    """Returns where each expected piece ends, when the same text came as other ones that end there."""
    lengths = list(accumulate(map(len, texts)))
    return [ends[bisect_left(lengths, length)] for length in accumulate(map(len, expected))]


def _first_word(text: str) -> str:
    return text.partition(" ")[0]


def check_whole(dialect: str, body: bytes, order: Order) -> None:
    """Checks an answer that was not streamed; raises WrongAnswer."""
    expected = "".join(pieces(order.number, order.pieces, 0))
    try:
        answer = _decode(body)
        if dialect == "responses":
            _check_response(answer, order.pieces)
            text = answer["output"][0]["content"][0]["text"]
        else:
            text = answer["choices"][0]["message"]["content"]
            if answer["usage"] != usage(order.pieces):
                raise WrongAnswer(f"usage is {answer['usage']!r}")
    except (msgspec.DecodeError, LookupError, TypeError) as error:
        raise WrongAnswer(f"the answer does not have the parts it should have: {error!r}") from None
    if text != expected:
        raise WrongAnswer("the text is not the one that was sent")


_Found = tuple[list[str], Checked, list[tuple[str, str]]]


def _blocks(body: bytes) -> Iterator[tuple[bytes, bytes, int]]:
    """Yields the events of a body as (name, data, bytes up to its end), comments left out."""
    end = 0
    *blocks, rest = body.split(b"\n\n")
    if rest:
        raise WrongAnswer(f"the body ends within an event: {rest[-60:]!r}")
    for block in blocks:
        end += len(block) + 2
        name = data = b""
        for line in block.split(b"\n"):
            if line.startswith(b"data: "):
                data = line[6:]
            elif line.startswith(b"event: "):
                name = line[7:]
            elif not line.startswith(b":"):
                raise WrongAnswer(f"a line is neither event nor data: {line[:60]!r}")
        if data:
            yield name, data, end


def _objects(body: bytes) -> Iterator[tuple[bytes, dict[str, Any], int]]:
    """Yields the events as (name, object, end); the end marker must stand last, once."""
    marked = False
    for name, data, end in _blocks(body):
        if marked:
            raise WrongAnswer("something follows [DONE]")
        if data == b"[DONE]":
            marked = True
            continue
        try:
            obj = _decode(data)
        except msgspec.DecodeError as error:
            raise WrongAnswer(f"an event is no JSON ({error}): {data[:60]!r}") from None
        if not isinstance(obj, dict):
            raise WrongAnswer(f"an event is no object: {data[:60]!r}")
        yield name, obj, end
    if not marked:
        raise WrongAnswer("the stream ends without [DONE]")


def _responses_pieces(body: bytes, order: Order, strict: bool) -> _Found:
    texts: list[str] = []
    ends: list[int] = []
    finals: list[tuple[str, str]] = []
    frame: list[str] = []
    shape = _CALL if order.tool else _TEXT
    for count, (name, obj, end) in enumerate(_objects(body)):
        kind = str(obj.get("type"))
        if strict and name.decode("latin-1") != kind:
            raise WrongAnswer(f"event {count} is named {name!r} and is of type {kind!r}")
        if strict and obj.get("sequence_number") != count:
            raise WrongAnswer(f"event {count} has sequence_number {obj.get('sequence_number')!r}")
        if kind == shape.delta:
            if len(frame) != len(shape.opening):
                raise WrongAnswer(f"a delta stands behind {frame[-1] if frame else 'nothing'}")
            texts.append(obj["delta"])
            ends.append(end)
            continue
        frame.append(kind)
        if kind in shape.closing:
            finals.append((kind, _final_text(kind, obj, order.pieces)))
    if tuple(frame) != shape.opening + shape.closing:
        raise WrongAnswer(f"the events around the deltas are {', '.join(frame) or 'missing'}")
    return texts, Checked(0, ends), finals


def _final_text(kind: str, obj: dict[str, Any], count: int) -> str:
    """Returns the text that a closing event repeats."""
    try:
        if kind == "response.output_text.done":
            return str(obj["text"])
        if kind == "response.function_call_arguments.done":
            return str(obj["arguments"])
        if kind == "response.content_part.done":
            return str(obj["part"]["text"])
        if kind == "response.output_item.done":
            return _said(obj["item"])
        _check_response(obj["response"], count)
        return _said(obj["response"]["output"][0])
    except (LookupError, TypeError) as error:
        raise WrongAnswer(f"{kind} does not have the parts it should have: {error!r}") from None


def _said(item: dict[str, Any]) -> str:
    return str(item["arguments"] if item["type"] == "function_call" else item["content"][0]["text"])


def _check_response(response: dict[str, Any], count: int) -> None:
    if response["status"] != "completed":
        raise WrongAnswer(f"the response is {response['status']!r}: {response.get('error')}")
    said = response["usage"]
    got = (said["input_tokens"], said["output_tokens"], said["total_tokens"])
    if got != tuple(usage(count).values()):
        raise WrongAnswer(f"usage is {got}")


def _chat_pieces(body: bytes, order: Order) -> _Found:
    texts: list[str] = []
    ends: list[int] = []
    finish: str | None = None
    used: Any = None
    for _, obj, end in _objects(body):
        if "error" in obj:
            raise WrongAnswer(f"an error came: {obj['error']}")
        used = obj.get("usage") or used
        for choice in obj["choices"]:
            content = choice["delta"].get("content") or _argument(choice["delta"])
            if content:
                if finish is not None:
                    raise WrongAnswer("a piece follows the finish reason")
                texts.append(content)
                ends.append(end)
            finish = choice["finish_reason"] or finish
    if finish != ("tool_calls" if order.tool else "stop"):
        raise WrongAnswer(f"the finish reason is {finish!r}")
    if order.usage and used != usage(order.pieces):
        raise WrongAnswer(f"usage is {used!r}")
    return texts, Checked(0, ends), []


def _argument(delta: dict[str, Any]) -> str:
    return "".join(call["function"].get("arguments") or "" for call in delta.get("tool_calls") or ())
