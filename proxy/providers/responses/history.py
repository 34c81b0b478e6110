"""The items of a conversation as an upstream takes them that speaks the Responses API but keeps nothing.

An item goes up as its JSON came, but for two things. Ids: those of items that the upstream has never kept mean nothing
to it, and one with a wrong prefix is refused; they are left out, but for the items that only their maker can have made.
Reasoning: what the upstream itself has encrypted goes back as it was; what another provider sealed is left out, and so
is reasoning without its encrypted form where the upstream would look for it by id.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import msgspec

from ...api.raw import Raw, given
from ...sealing import Sealing
from ..chat.sealing import LOST
from .profile import ResponsesProfile
from .sealing import opened

_MAX_ID = 64
_PREFIXES = {
    "message": "msg",
    "reasoning": "rs",
    "function_call": "fc",
    "custom_tool_call": "ctc",
    "local_shell_call": "lsh",
    "shell_call": "sh",
    "apply_patch_call": "apc",
    "web_search_call": "ws",
    "tool_search_call": "tsc",
}
_WITHOUT_ID = frozenset(
    (*_PREFIXES, "function_call_output", "custom_tool_call_output", "shell_call_output", "apply_patch_call_output")
)
"""Items of which the upstream needs no id. Of a call's output that older clients send, the id names the call."""


class _Kind(msgspec.Struct):
    type: str | None = None
    role: str | None = None
    id: str | None = None
    encrypted_content: str | None = None
    content: Raw = Raw()


_decode_kind = msgspec.json.Decoder(_Kind).decode
_decode_fields = msgspec.json.Decoder(dict[str, Raw]).decode
_encode = msgspec.json.encode


def upstream_items(
    items: Iterable[Raw], profile: ResponsesProfile, sealing: Sealing, ignore: Callable[[str], None]
) -> list[Raw]:
    """Returns the items as the upstream takes them; those that need no change are the very same.

    `sealing` opens the reasoning that is in an envelope of ours; `ignore` is told of reasoning that is left out.
    """
    made: list[Raw] = []
    for raw in items:
        kind = _decode_kind(raw)
        if kind.type == "reasoning":
            kept = _reasoning(raw, kind, profile, sealing)
            if not kept:
                ignore(LOST)
            made += kept
        elif kind.id is not None and _drops_id(kind, profile):
            made.append(_without(raw, "id"))
        else:
            made.append(raw)
    return made


def _drops_id(kind: _Kind, profile: ResponsesProfile) -> bool:
    name = kind.type or ("message" if kind.role is not None else "item_reference")
    if name not in _WITHOUT_ID:
        return False
    return not (profile.keeps and _fits(kind.id, name))


def _fits(id: str | None, type: str) -> bool:
    """Tells whether an id is one that the upstream could have given to an item of that type."""
    return id is not None and len(id) <= _MAX_ID and id.startswith(f"{_PREFIXES.get(type, '')}_")


def _reasoning(raw: Raw, kind: _Kind, profile: ResponsesProfile, sealing: Sealing) -> list[Raw]:
    if kind.encrypted_content:
        blobs = opened(kind.encrypted_content, sealing)
        if blobs is None:
            return []
        if blobs == [kind.encrypted_content]:
            return [raw if profile.keeps or kind.id is None else _without(raw, "id")]
        first = _decode_fields(_without(raw, "id"))
        first["encrypted_content"] = Raw(_encode(blobs[0]))
        others = [{"type": "reasoning", "summary": [], "encrypted_content": blob} for blob in blobs[1:]]
        return [Raw(_encode(first)), *(Raw(_encode(one)) for one in others)]
    if profile.keeps and _fits(kind.id, "reasoning"):
        return [raw]
    if profile.plain_reasoning and given(kind.content) and bytes(kind.content) != b"[]":
        return [raw if kind.id is None else _without(raw, "id")]
    return []


def _without(raw: Raw, name: str) -> Raw:
    fields = _decode_fields(raw)
    fields.pop(name, None)
    return Raw(_encode(fields))
