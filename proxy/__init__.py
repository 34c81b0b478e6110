"""The engine of Penstock: the streaming proxy itself, without any stage.

Without a server it is called by functions, which are found here and imported when they are first asked for:

    from proxy import responses

    print(responses(model="anthropic/claude-sonnet-4-5", input="Hello.", max_output_tokens=100).output_text)
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_CLASSES = {"Penstock": "penstock", "Router": "router"}

if TYPE_CHECKING:
    from .inprocess.functions import EVERYTHING as _every
    from .inprocess.penstock import Penstock as Penstock
    from .inprocess.router import Router as Router

    responses, aresponses = _every.responses, _every.aresponses
    completion, acompletion = _every.completion, _every.acompletion
    input_tokens, ainput_tokens = _every.input_tokens, _every.ainput_tokens
    get_responses, aget_responses = _every.get_responses, _every.aget_responses
    cancel_responses, acancel_responses = _every.cancel_responses, _every.acancel_responses
    delete_responses, adelete_responses = _every.delete_responses, _every.adelete_responses
    list_input_items, alist_input_items = _every.list_input_items, _every.alist_input_items
    compact_responses, acompact_responses = _every.compact_responses, _every.acompact_responses
    create_conversation, acreate_conversation = _every.create_conversation, _every.acreate_conversation
    list_conversation_items, alist_conversation_items = _every.list_conversation_items, _every.alist_conversation_items
    delete_conversation, adelete_conversation = _every.delete_conversation, _every.adelete_conversation

__all__ = [
    "Penstock",
    "Router",
    "__version__",
    "acancel_responses",
    "acompact_responses",
    "acompletion",
    "acreate_conversation",
    "adelete_conversation",
    "adelete_responses",
    "aget_responses",
    "ainput_tokens",
    "alist_conversation_items",
    "alist_input_items",
    "aresponses",
    "cancel_responses",
    "compact_responses",
    "completion",
    "create_conversation",
    "delete_conversation",
    "delete_responses",
    "get_responses",
    "input_tokens",
    "list_conversation_items",
    "list_input_items",
    "responses",
]


def __getattr__(name: str) -> Any:
    if name in _CLASSES:
        return getattr(importlib.import_module(f".inprocess.{_CLASSES[name]}", __name__), name)
    if name in __all__:
        return getattr(importlib.import_module(".inprocess.functions", __name__).EVERYTHING, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
