"""Reads a whole chat completion that is one text and nothing else, without the decoder's machinery.

Most answers that come in one piece are that. Any that might be something else, however slightly, is left to the
decoder; `tests/providers/chat/test_plain.py` holds the one against the other.
"""

from __future__ import annotations

import msgspec

from ...events import PlainAnswer
from .chunk import Chunk, Delta, decode_chunk
from .finish import FAILED_FINISH, FINISH
from .usage import usage_from_chat


def plain_answer(body: bytes) -> PlainAnswer | None:
    """Returns the answer of a body that holds nothing but a text; None for every other body, whatever is the matter.

    For upstreams that do not put their thinking into the text.
    """
    try:
        answer = decode_chunk(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    choices = answer.choices
    if not choices or len(choices) > 1 or not _says_no_more(answer):
        return None
    choice = choices[0]
    message, finish, logprobs = choice.message, choice.finish_reason, choice.logprobs
    if message is None or not finish or choice.index or choice.delta is not None or choice.error is not None:
        return None
    text, finish = message.content, finish.lower()
    if type(text) is not str or not text or text.isspace() or finish in FAILED_FINISH or _says_beside(message):
        return None
    if logprobs is not None and logprobs.content:
        return None
    usage = usage_from_chat(answer.usage) if answer.usage else None
    return PlainAnswer(text, FINISH.get(finish, "stop"), usage, answer.service_tier or None)


def _says_no_more(answer: Chunk) -> bool:
    """Tells whether there is nothing beside the choices but usage and tier."""
    return answer.error is None and answer.x_groq is None and answer.citations is None and answer.search_results is None


def _says_beside(message: Delta) -> bool:
    """Tells whether there may be something in a message beside its text."""
    return bool(
        message.tool_calls
        or message.reasoning_content
        or message.reasoning
        or message.reasoning_details
        or message.thinking
        or message.thinking_blocks
        or message.refusal
        or message.annotations
        or message.function_call is not None
        or message.audio is not None
        or message.images
    )
