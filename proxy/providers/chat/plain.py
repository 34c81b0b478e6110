"""Reads a whole chat completion that is one text and nothing else, without the decoder's machinery.

Most answers that come in one piece are that. Any that might be something else, however slightly, is left to the
decoder; `tests/providers/chat/test_plain.py` holds the one against the other.
"""

from __future__ import annotations

import msgspec

from ...events import PlainAnswer
from .chunk import decode_plain
from .finish import FAILED_FINISH, FINISH
from .usage import usage_from_chat

_reasons = {"stop": "stop", **FINISH}.get


def plain_answer(body: bytes) -> PlainAnswer | None:
    """Returns the answer of a body that holds nothing but a text; None for every other body, whatever is the matter.

    For upstreams that do not put their thinking into the text. Hot: once an answer that is not streamed.
    """
    try:
        answer = decode_plain(body)  # the types say what may be in it
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    choice = answer.choices[0]
    text, finish, told = choice.message.content, choice.finish_reason, answer.usage
    reason = _reasons(finish)
    if reason is None:
        finish = finish.lower()
        if not finish or finish in FAILED_FINISH:
            return None
        reason = FINISH.get(finish, "stop")
    if not text or text.isspace():
        return None
    return PlainAnswer(text, reason, usage_from_chat(told) if told else None, answer.service_tier or None)
