"""Refuses what a server can only do when it keeps responses: as long as nothing is kept, there is nothing to find."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...errors import BadRequest, NotFound
from .. import invalid
from .fields import ConversationParam
from .items import Compaction, CompactionTrigger, ItemReference

if TYPE_CHECKING:
    from .request import ResponsesRequest


def refuse_state(request: ResponsesRequest) -> None:
    """Raises for what refers to kept responses, conversations or items, or asks to keep something."""
    previous = request.value("previous_response_id")
    conversation = request.value("conversation")
    if previous is not None and conversation is not None:
        raise BadRequest(
            "Mutually exclusive parameters. Ensure you are only providing one of: 'previous_response_id' or "
            "'conversation'.",
            param="previous_response_id",
            code="mutually_exclusive_parameters",
        )
    if previous is not None:
        raise BadRequest(
            f"Previous response with id '{previous}' not found.",
            param="previous_response_id",
            code="previous_response_not_found",
        )
    if conversation is not None:
        name = conversation.id if isinstance(conversation, ConversationParam) else conversation
        raise NotFound(f"Conversation with id '{name}' not found.", param="conversation")
    if request.value("background"):
        raise invalid.unsupported("background", "Background responses are not served yet: send 'background': false.")
    for index, item in enumerate(request.items):
        path = f"input[{index}]"
        if isinstance(item, ItemReference):
            raise NotFound(
                f"Item with id '{item.id}' not found. Items are not kept here: send the item itself instead of a "
                "reference, for instance by setting 'store' to false in your client.",
                param=path,
            )
        if isinstance(item, CompactionTrigger):
            raise invalid.unsupported(f"{path}.type", "Compaction is not served: ask for a summary in a message.")
        if isinstance(item, Compaction):
            raise invalid.unsupported(path, "This compaction was made elsewhere and cannot be read here.")
