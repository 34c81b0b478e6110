"""Which deployment a request had better go to because earlier ones of its session have: its cache holds their text.

Nothing depends on it: the history is Penstock's own or the client's, so any other deployment can go on from it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from hashlib import blake2b
from math import log
from typing import TYPE_CHECKING

from ..api.responses.conversation import conversation_id
from ..api.responses.items import Message, Reasoning
from ..api.responses.parts import InputPart, TextPart
from ..api.responses.request import ResponsesRequest
from ..providers.chat.sealing import unseal
from .strategies import Member

if TYPE_CHECKING:
    from ..exchange import Exchange

_SEALED = "reasoning.encrypted_content"
HEADER = "x-penstock-session"
"""The header by which a client says what belongs together."""


def narrowed(exchange: Exchange, members: Sequence[Member]) -> Sequence[Member]:
    """Returns the members that a session is with, or would be; all of them where the request belongs to none.

    That is the one that made the previous response; else those of the model that made the thinking that the client
    carries sealed; of these the one that the session's name leads to, the same in every worker and on every host.
    """
    if exchange.made_by is not None:
        for one in members:
            if one.deployment.name == exchange.made_by:
                return (one,)
    if len(members) == 1:
        return members
    members = _makers(exchange, members) or members
    key = _key(exchange)
    return members if key is None else (_by_rendezvous(key, members),)


def _key(exchange: Exchange) -> str | None:
    """Returns the name of the session: what the client calls it, its conversation, or its key for prompt caches.

    One that carries its own history, and with it reasoning that only its maker can open, is known by how it began.
    """
    named = exchange.client.headers.get(HEADER)
    if named:
        return f"session {named}"
    request = exchange.request
    if isinstance(request, ResponsesRequest) and (conversation := conversation_id(request)) is not None:
        return f"conversation {conversation}"
    cached = request.get("prompt_cache_key") if "prompt_cache_key" in request.fields else None
    if isinstance(cached, str) and cached:
        return f"cache {cached}"
    if isinstance(request, ResponsesRequest) and request.wants(_SEALED):
        return f"beginning {_beginning(request)}"
    return None


def _beginning(request: ResponsesRequest) -> str:
    """Returns a digest of what was said before the model's first word: the same in every turn of one history."""
    digest = blake2b(digest_size=16)
    for item in request.items:
        if not isinstance(item, Message) or item.role == "assistant":
            break
        parts = item.content if isinstance(item.content, str) else "\0".join(_texts(item.content))
        digest.update(f"{item.role}\0{parts}\0".encode("utf-8", "surrogatepass"))
    return digest.hexdigest()


def _texts(parts: Sequence[InputPart]) -> Iterator[str]:
    return (part.text for part in parts if isinstance(part, TextPart))


def _by_rendezvous(key: str, members: Sequence[Member]) -> Member:
    """Returns the member that a key leads to; when one comes or goes, only its own keys move.

    Source: Thaler and Ravishankar, Using name-based mappings to increase hit rates (1998), here with weights.
    """
    return max(members, key=lambda one: _score(key, one))


def _score(key: str, member: Member) -> float:
    text = f"{key}\0{member.deployment.name}".encode("utf-8", "surrogatepass")
    number = int.from_bytes(blake2b(text, digest_size=8).digest(), "big")
    return -member.deployment.weight / log((number + 1) / (2**64 + 1))


def _makers(exchange: Exchange, members: Sequence[Member]) -> Sequence[Member]:
    """Returns the members of the model that made the last thinking in the input; none where that cannot be told."""
    request = exchange.request
    if not isinstance(request, ResponsesRequest):
        return ()
    for item in reversed(request.items):
        if isinstance(item, Reasoning) and item.encrypted_content:
            sealed = unseal(item.encrypted_content, members[0].deployment.provider.sealing)
            return () if sealed is None else [one for one in members if one.deployment.model == sealed.model]
    return ()
