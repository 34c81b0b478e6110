"""The texts inside a Responses request that a model would read, and how one is replaced where it stands."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..raw import Raw
from ..texts import Keys, texts_of, with_texts_in_json
from .items import Item, ItemReference, Message

if TYPE_CHECKING:
    from .request import ResponsesRequest

NO_TEXTS = frozenset(
    (
        "background",
        "conversation",
        "include",
        "input",
        "instructions",
        "model",
        "previous_response_id",
        "prompt_cache_key",
        "prompt_cache_retention",
        "safety_identifier",
        "service_tier",
        "stream",
        "stream_options",
        "truncation",
        "user",
    )
)
"""Fields that no model reads, and those that are read by themselves: all others may hold texts."""


class TextPlace:
    """One text of the input, where it stands, and a way to change it."""

    __slots__ = ("_keys", "_request", "path", "text")

    def __init__(self, request: ResponsesRequest, path: str, keys: Keys, text: str) -> None:
        self._request = request
        self._keys = keys
        self.path = path
        self.text = text

    def replace(self, text: str) -> None:
        """Puts another text in its place."""
        self.replace_all([(self, text)])

    @staticmethod
    def replace_all(changes: Sequence[tuple[TextPlace, str]]) -> None:
        """Does so for many."""
        for place, text in changes:
            place.text = text
        changes[0][0]._request.put_texts([(place._keys, text) for place, text in changes])


def item_texts(item: Item, raw: Raw, path: str) -> list[tuple[Keys, str]]:
    """Returns the texts of an item, each with the way to it. Those of a call are whatever a client says they were."""
    if isinstance(item, Message) and isinstance(item.content, str):
        return [(("content",), item.content)]
    return [] if isinstance(item, ItemReference) else texts_of(raw, path)


def replaced(raw: Raw, texts: Sequence[tuple[Keys, str]]) -> Raw:
    """Returns the JSON of an item with other texts where keys lead to; all else stays as it was."""
    return Raw(with_texts_in_json(raw, texts))
