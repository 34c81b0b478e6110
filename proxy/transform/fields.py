"""What a file may change about the objects that clients get: fields at the top of a Response or a completion."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct, field

from ..config.types import Mistake
from .edited import Changes

_NEEDED = frozenset(
    (
        "choices", "conversation", "created", "created_at", "error", "id", "incomplete_details", "object", "output",
        "previous_response_id", "status", "type",
    )
)  # fmt: skip
"""What says which answer it is and how it ended: clients could not go on without it."""


class FieldEdits(Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """Changes to the top-level fields of an answer's object."""

    set: Annotated[dict[str, Any], Meta(description="Fields to set, in place of what is there.")] = field(
        default_factory=dict
    )
    drop: Annotated[tuple[str, ...], Meta(description="Fields to remove.")] = ()

    def __post_init__(self) -> None:
        for name in (*self.set, *self.drop):
            if name in _NEEDED or not name:
                raise Mistake(f'the field "{name}" of answers cannot be changed', "clients rely on it: remove it")

    def changes(self) -> Changes:
        """Returns the new JSON of each field, None for one that is removed."""
        changed: Changes = dict.fromkeys(self.drop)
        changed.update((name, msgspec.Raw(msgspec.json.encode(value))) for name, value in self.set.items())
        return changed
