"""Recognises chunks that differ from the last one in nothing but their text, so that they need not be parsed.

Most servers send every text chunk of an answer in the same bytes but for the text. What stands around the text of one
chunk is learned: `data: {...,"content":` in front, `...}` and a blank line behind. A read that begins and ends with
the same bytes, and holds exactly one JSON string between them, is the same chunk with another text: JSON leaves no
other reading, because the bytes around the string were parsed once and the string cannot reach out of its quotes.

That the string is the answer's text and not some other member called `content` is proved when the frame is learned,
by parsing the chunk once more with another string in its place.
"""

from __future__ import annotations

import re

import msgspec

from .chunk import Delta, decode_chunk
from .string_frame import StringFrame

_OTHER_MEMBERS = tuple(name for name in Delta.__struct_fields__ if name != "content")
_END = b"\n\n"  # of an event; learned ones have no other line end
_CONTENT = re.compile(rb'"content": ?("(?:[^"\\]|\\.)*")')
_PROBE = b'"\\u0000probe"'
_PROBE_TEXT = "\0probe"
_PATIENCE = 8  # frames that were learned and never seen again, before learning is given up

_decode_string = msgspec.json.Decoder(str).decode
_decode_strings = msgspec.json.Decoder(list[str]).decode


class LearnedFrame(StringFrame):
    """The bytes around the text of the last plain chunk; servers whose chunks all differ are noticed and left alone.

    Whoever sees something else come sets `prefix` to None, which forgets the frame. `patience` is how many frames may
    still be learned in vain: at 0 there is no use in more.
    """

    __slots__ = ("patience",)

    def __init__(self) -> None:
        super().__init__()
        self.patience = _PATIENCE

    def texts(self, read: bytes) -> tuple[list[str], list[bytes], int]:
        """Returns the texts of the learned chunks at the beginning of a read, and how many bytes of it they are.

        Also the JSON of each text, without its quotes. Nothing is found where the first chunk is another one, or one of
        them is not what it seems.
        """
        if self.prefix is None:
            return [], [], 0
        prefix, suffix = self.prefix + b'"', b'"' + self.suffix.removesuffix(_END)
        strings: list[bytes] = []
        for event in read.split(_END)[:-1]:
            rest = event.removeprefix(prefix)
            string = rest.removesuffix(suffix)
            if rest is event or string is rest:
                break
            strings.append(string)
        try:
            texts = _decode_strings(b'["%b"]' % b'","'.join(strings)) if strings else []
        except (msgspec.DecodeError, UnicodeDecodeError):
            return [], [], 0
        if len(texts) != len(strings) or "" in texts:
            return [], [], 0
        self.seen = True
        around = len(prefix) + len(suffix) + len(_END)
        return texts, strings, sum(map(len, strings)) + around * len(strings)

    def learn(self, read: bytes, text: str) -> None:
        """Learns the frame of a read that was one chunk with that text."""
        self.prefix = None
        if self.seen:
            self.seen = False
            self.patience = _PATIENCE
        if not self.patience or not read.startswith(b"data: ") or read.find(b"\n") != len(read) - 2:
            return
        self.patience -= 1
        for found in _CONTENT.finditer(read):
            if _says(found[1], text) and _reads_back(read[6 : found.start(1)] + _PROBE + read[found.end(1) : -2]):
                self.prefix = read[: found.start(1)]
                self.suffix = read[found.end(1) :]
                return


def _says(string: bytes, text: str) -> bool:
    """Tells whether that is the text as JSON."""
    try:
        return _decode_string(string) == text
    except (msgspec.DecodeError, UnicodeDecodeError):
        return False


def _reads_back(payload: bytes) -> bool:
    """Tells whether the probe is found as the text of the first answer, and nothing that would make another event."""
    try:
        chunk = decode_chunk(payload)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return False
    if not chunk.choices or len(chunk.choices) != 1 or chunk.usage or chunk.error or chunk.x_groq:
        return False
    choice = chunk.choices[0]
    delta, logprobs = choice.delta, choice.logprobs
    if choice.index or choice.finish_reason or choice.error or (logprobs is not None and logprobs.content):
        return False
    if delta is None or delta.content != _PROBE_TEXT:
        return False
    return not any(getattr(delta, name) for name in _OTHER_MEMBERS)
