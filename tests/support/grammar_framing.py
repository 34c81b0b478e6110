"""Reads the bytes of an event stream as strictly as section 4.1 of the wire reference states them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

Event = dict[str, Any]
NAMED = ("event: ", "data: ")
DONE_MARKER = "data: [DONE]"


class GrammarViolation(AssertionError):
    """A stream or an object is not what the wire reference allows; the message says where and why."""


@dataclass(frozen=True)
class Profile:
    """How much of the reference is demanded. The default is what Penstock owes; the rest is for recordings.

    `done_marker` None takes either. `may_omit` names fields that may be absent or null, as `table.field` of the tables
    in `grammar_shapes` (`item.status`). `hosted` allows the items and events of hosted tools, loosely, `foreign_ids`
    ids of items that begin as their upstream likes.
    """

    done_marker: bool | None = True
    event_lines: bool = True
    comments: bool = True
    numbered: bool = True
    exact_fields: bool = True
    may_omit: frozenset[str] = frozenset()
    null_is_absent: bool = False
    id_forms: bool = True
    flat_error: bool = True
    exact_logprobs: bool = True
    sealed_changes: bool = False
    hosted: bool = False
    foreign_ids: bool = False


STRICT = Profile()


def read_events(raw: bytes, profile: Profile = STRICT) -> list[Event]:
    """Returns the payloads of the events, in order; raises GrammarViolation on any slip of the framing."""
    text = _decoded(raw)
    blocks = text.split("\n\n")
    if blocks.pop() != "":
        raise GrammarViolation("the stream does not end in exactly one blank line")
    events: list[Event] = []
    ended = False
    for number, block in enumerate(blocks):
        where = f"block {number}"
        if ended:
            raise GrammarViolation(f"{where}: something follows [DONE]: {block[:80]!r}")
        if block == DONE_MARKER:
            ended = True
        elif block.startswith(":"):
            _check_comment(where, block, events, profile)
        else:
            events.append(_event(where, block, profile))
    if profile.done_marker is not None and ended != profile.done_marker:
        raise GrammarViolation(f"[DONE] is {'there' if ended else 'missing'}")
    return events


def _decoded(raw: bytes) -> str:
    if b"\r" in raw:
        raise GrammarViolation("a carriage return in the stream")
    if raw.startswith(b"\xef\xbb\xbf"):
        raise GrammarViolation("the stream starts with a byte order mark")
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise GrammarViolation(f"not UTF-8: {error}") from None


def _check_comment(where: str, block: str, events: list[Event], profile: Profile) -> None:
    if not profile.comments:
        raise GrammarViolation(f"{where}: a comment")
    if "\n" in block:
        raise GrammarViolation(f"{where}: a comment together with other lines: {block[:80]!r}")
    if events and events[-1].get("type") in TERMINAL:
        raise GrammarViolation(f"{where}: a comment after the terminal event")


TERMINAL = ("response.completed", "response.incomplete", "response.failed")


def _event(where: str, block: str, profile: Profile) -> Event:
    lines = block.split("\n")
    if not profile.event_lines and len(lines) == 1:
        name = None
    elif len(lines) != 2 or not lines[0].startswith(NAMED[0]):
        raise GrammarViolation(f"{where}: not one event: line and one data: line: {block[:120]!r}")
    else:
        name = lines[0][len(NAMED[0]) :]
    if not lines[-1].startswith(NAMED[1]):
        raise GrammarViolation(f"{where}: no data: line: {lines[-1][:80]!r}")
    payload = parse_json(where, lines[-1][len(NAMED[1]) :])
    if not isinstance(payload, dict) or not isinstance(payload.get("type"), str):
        raise GrammarViolation(f"{where}: the data is no object with a type")
    if name is not None and name != payload["type"]:
        raise GrammarViolation(f"{where}: event: {name} with type {payload['type']}")
    return payload


def parse_json(where: str, text: str) -> Any:
    """Returns the value of strict JSON: no repeated keys, no NaN, no half surrogate pairs."""
    try:
        value = json.loads(text, object_pairs_hook=_unique, parse_constant=_refuse)
        text.encode("utf-8")
        if "\\ud" in text or "\\uD" in text:
            json.dumps(value, ensure_ascii=False).encode("utf-8")
    except (ValueError, UnicodeEncodeError) as error:
        raise GrammarViolation(f"{where}: not strict JSON: {error}: {text[:120]!r}") from None
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key occurs twice")
    return found


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is not JSON")


def frame(events: list[Event], *, done_marker: bool = True) -> bytes:
    """Returns the events as bytes of a stream: the inverse of `read_events`."""
    blocks = [
        f"event: {event.get('type')}\ndata: {json.dumps(event, ensure_ascii=False, separators=(',', ':'))}\n\n"
        for event in events
    ]
    if done_marker:
        blocks.append("data: [DONE]\n\n")
    return "".join(blocks).encode("utf-8", "surrogatepass")
