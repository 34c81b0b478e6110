"""How the encrypted reasoning of a Responses upstream travels: to Responses clients, to chat clients, and back.

A reasoning item's `encrypted_content` is its maker's own secret and needs no seal of ours: it is passed on as it is. A
Responses client gets it where it stood. A chat client gets it as an entry of `reasoning_details`, in the form that is
in use for it: `{"type": "reasoning.encrypted", "data": ..., "format": "openai-responses-v1", "index": n}`. Only what
several items left in one goes into an envelope of ours, of the family `responses` and with `{"details": [entry, ...]}`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from ...sealing import Sealing
from ..chat.sealing import seal, unseal

FAMILY = "responses"
FIELD = "reasoning_details"
_KIND = "reasoning.encrypted"
_FORMAT = "openai-responses-v1"
_OURS = ("pst1.", "pst2.")


def state_of(item: dict[str, Any], index: int) -> dict[str, Any] | None:
    """Returns what the upstream wants back of a reasoning item; None when it is nothing.

    `index` tells the entries of one answer apart.
    """
    sealed = item.get("encrypted_content")
    if not isinstance(sealed, str) or not sealed:
        return None
    return {"field": FIELD, "details": [{"type": _KIND, "data": sealed, "format": _FORMAT, "index": index}]}


def sealer(model: str, sealing: Sealing) -> Callable[[dict[str, Any], str], str | None]:
    """Returns what makes `encrypted_content` of a reasoning item's state; its text alone is not worth one."""

    def seal_state(state: dict[str, Any], text: str) -> str | None:
        blobs = blobs_of(state.get("details"))
        if len(blobs) == 1:
            return blobs[0]
        return seal(FAMILY, model, {"details": state["details"]}, sealing) if blobs else None

    return seal_state


def opened(encrypted: str, sealing: Sealing) -> list[str] | None:
    """Returns what the upstream has encrypted, one string an item; None for what another provider made."""
    if not encrypted.startswith(_OURS):
        return [encrypted]
    sealed = unseal(encrypted, sealing)
    if sealed is None or sealed.family != FAMILY:
        return None
    return blobs_of(sealed.state.get("details")) or None


def blobs_of(details: Any) -> list[str]:
    """Returns the encrypted reasoning among the entries of `reasoning_details`."""
    entries: Iterable[Any] = details if isinstance(details, list) else ()
    return [
        entry["data"]
        for entry in entries
        if isinstance(entry, dict)
        and entry.get("type") == _KIND
        and isinstance(entry.get("data"), str)
        and entry.get("format") in (None, _FORMAT)
    ]
