"""Runs the Responses encoder over neutral events, and lets the judge read what it wrote."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from proxy.api.responses.encoder import ResponsesEncoder
from proxy.api.responses.encoder_options import EncoderOptions
from proxy.api.responses.snapshot import Snapshot
from proxy.events import Event, Finish, ToolCallDelta, ToolCallStart
from tests.support.grammar import Checked, check_stream
from tests.support.machines import CREATED_AT, ECHO, RESPONSE_ID, Forms

TEXT_PART = ["content_part.added", "output_text.delta", "output_text.done", "content_part.done"]
MESSAGE = ["output_item.added", *TEXT_PART, "output_item.done"]
"""The events of a message of one delta."""


def encoder(*, tools: Any = None, seal: Any = None, background: bool = False, **options: Any) -> ResponsesEncoder:
    """Returns an encoder with fixed ids and a fixed clock. Only what runs in the `background` may wait."""
    return ResponsesEncoder(
        Snapshot({**ECHO, "background": background}, response_id=RESPONSE_ID, created_at=CREATED_AT, model="m"),
        options=EncoderOptions(**options),
        tools=Forms(tools) if isinstance(tools, dict) else tools,
        seal=seal,
        item_id=lambda prefix, index: f"{prefix}_{index:048d}",
        now=lambda: CREATED_AT + 2,
    )


def encode(*events: Event, finish: Event | None = None, **setup: Any) -> Checked:
    """Returns what a stream of these events says, each in a read of its own; `finish` ends it instead of a stop."""
    machine = encoder(**setup)
    raw = machine.begin() + b"".join([machine.encode([event]) for event in [*events, finish or Finish()]])
    assert machine.done
    together = encoder(**setup)
    assert len(together.begin() + together.encode([*events, finish or Finish()])) == len(raw)
    said = check_stream(raw, done_marker=setup.get("done_marker", True))
    assert said.response == json.loads(machine.final())
    return said


def call(key: int, name: str, *arguments: str, freeform: bool = False) -> list[Event]:
    """Returns the events of a call with the id `call_<key>`."""
    start = ToolCallStart(key, f"call_{key}", name, freeform)
    return [start, *(ToolCallDelta(key, piece) for piece in arguments)]


def kinds(said: Checked, *, skip: Sequence[str] = ("created", "in_progress", "completed")) -> list[str]:
    """Returns the types of a stream's events but for those of the life cycle."""
    return [kind for kind in said.types if kind not in skip]


def closed(said: Checked) -> list[int]:
    """Returns the places of the items in the order in which they were done."""
    return [event["output_index"] for event in said.of("output_item.done")]


def seal(state: dict[str, Any], text: str) -> str:
    """Shows what it is given to seal."""
    return json.dumps([state, text])


def sealed(item: dict[str, Any]) -> Any:
    """Returns what was sealed in an item: state and text."""
    return json.loads(item["encrypted_content"])
