"""What Gemini wants back with the next turn: signatures of its thoughts, and the code that it had run.

A signature belongs to the very part of the answer that it stood on, and goes back on that part (wire reference, section
6.3). Each is told as an entry of `reasoning_details`, in the form that is in use for it:

    {"type": "reasoning.encrypted", "format": "google-gemini-v1", "data": signature, "made_by": model, ...}

and, beside these, `on` says which part it stood on:

    call      `id` is the call's
    text      `range` is where the part began and ended, in characters of the text that it is a piece of
    thought   `text` is the part's own
    image     `id` is a digest of the image, by which it is known again wherever a client puts it
    part      `part` is the whole part, signature included, because no item of the Responses API could give it back

Responses clients get the entries sealed, as `encrypted_content` of a reasoning item, and chat clients as they are.
Both are read only where the same model of the same kind of upstream is asked again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

from ...api.responses.items import Reasoning
from ...events import ReasoningState
from ...sealing import Sealing
from ..chat.sealing import seal, unseal

FIELD = "reasoning_details"
FORMAT = "google-gemini-v1"
_KIND = "reasoning.encrypted"

Entry = dict[str, Any]


def state_of(signature: str, made_by: str, on: str, **where: Any) -> ReasoningState:
    """Returns the event that tells of a signature, or of a part that is to come back (without one of its own)."""
    entry = {"type": _KIND, "format": FORMAT, "data": signature, "made_by": made_by, "on": on, **where}
    return ReasoningState({"field": FIELD, "details": [entry]})


def image_key(data: str) -> str:
    """Returns what an image is known by, for its bytes as base64."""
    return "image_" + hashlib.blake2b(data.encode(), digest_size=16).hexdigest()


def signed_by_id(entries: list[Entry]) -> dict[str, str]:
    """Returns the signatures of calls and images, by what each is known by."""
    named = (entry for entry in entries if entry.get("on") in ("call", "image"))
    return {entry["id"]: entry["data"] for entry in named if isinstance(entry.get("id"), str)}


def sealer(family: str, model: str, sealing: Sealing) -> Callable[[dict[str, Any], str], str | None]:
    """Returns what makes `encrypted_content` of a reasoning item's state; its text alone is not worth one."""

    def seal_state(state: dict[str, Any], text: str) -> str | None:
        details = state.get("details")
        return seal(family, model, {"details": details}, sealing) if details else None

    return seal_state


def entries_of(thoughts: list[Reasoning], family: str, model: str, sealing: Sealing) -> list[Entry]:
    """Returns the entries that reasoning items carry for a model; none of what another one has made."""
    found: list[Entry] = []
    for thought in thoughts:
        sealed = unseal(thought.encrypted_content, sealing) if thought.encrypted_content else None
        if sealed is not None and sealed.family == family and sealed.model == model:
            found += known_entries(sealed.state.get("details"))
    return found


def known_entries(details: Any, made_by: str | None = None) -> list[Entry]:
    """Returns those of the entries of `reasoning_details` that are of this form, and made by that model."""
    return [
        entry
        for entry in (details if isinstance(details, list) else ())
        if isinstance(entry, dict)
        and entry.get("format") == FORMAT
        and isinstance(entry.get("data"), str)
        and (made_by is None or entry.get("made_by") == made_by)
    ]
