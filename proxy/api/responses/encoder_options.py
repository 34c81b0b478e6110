"""What is said about the form of an answer in the Responses API."""

from __future__ import annotations

import msgspec


class EncoderOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What the request and `stream-translate` say about the form of the answer.

    `reasoning`: raw thinking as `content` parts, as `summary` parts, or not at all. `logprobs`: the client asked for
    them. `obfuscation`: pad deltas, so that their length does not tell the text's. `done_marker`: `[DONE]` at the end.
    `show_sealed`: the client asked for what is sealed. `hold_end`: the terminal event is not among the bytes of
    `encode` but given by `end`, for whoever has to do something before it leaves. `keep_log`: keep what the stream
    said, so that it can be read again.
    """

    reasoning: str = "content"
    logprobs: bool = False
    obfuscation: bool = False
    done_marker: bool = True
    show_sealed: bool = True
    hold_end: bool = False
    keep_log: bool = False
