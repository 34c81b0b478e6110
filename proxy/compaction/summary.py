"""The compaction item: what is in its `encrypted_content`, and what it becomes in front of a model."""

from __future__ import annotations

import secrets
from typing import Any, Literal

import msgspec

from ..api.raw import Raw
from ..errors import BadRequest
from ..sealing import SealBroken, Sealing

_PURPOSE = "compaction"
_INTRODUCTION = (
    "What follows is a summary of the conversation before this point, written to save space. "
    "Go on from it as if you had seen the conversation itself.\n\n"
)

Kind = Literal["window", "trigger", "threshold"]
"""Who asked for it: `/responses/compact`, a `compaction_trigger`, or the input's length under `context_management`.

It says what becomes of the items in front of it. A `window` is the client's own choice of items, and so is what it
puts in front of a `trigger`'s; what a `threshold` was crossed by is sent again only by clients that send everything.
"""


class Summary(msgspec.Struct, frozen=True, rename={"kind": "k", "text": "t", "kept": "i"}):
    """A conversation in short. `kept` are items, from before the compaction, that go on being sent as they are."""

    kind: Kind
    text: str
    kept: list[Raw] = []

    def items(self) -> list[Raw]:
        """Returns what stands in its place in the input: a message of the developer, and what was kept."""
        message = {"type": "message", "role": "developer", "content": _INTRODUCTION + self.text}
        return [Raw(msgspec.json.encode(message)), *self.kept]


_decode = msgspec.json.Decoder(Summary).decode


def compaction_item(summary: Summary, sealing: Sealing) -> dict[str, Any]:
    """Returns the item that holds a summary."""
    sealed = sealing.seal(msgspec.json.encode(summary), _PURPOSE)
    return {"id": f"cmp_{secrets.token_hex(24)}", "type": "compaction", "encrypted_content": sealed}


def opened(encrypted_content: str, sealing: Sealing, param: str) -> Summary | None:
    """Returns what a compaction item holds; None when it was made elsewhere.

    Raises BadRequest for one of ours that was changed, or sealed with a key that is not known any more.
    """
    try:
        data = sealing.open(encrypted_content, _PURPOSE)
        return None if data is None else _decode(data)
    except (SealBroken, msgspec.DecodeError) as error:
        why = str(error) if isinstance(error, SealBroken) else "it is of another version"
        raise BadRequest(
            f"The encrypted content of this compaction could not be verified: {why}.",
            param=param,
            code="invalid_encrypted_content",
        ) from None
