"""Recognises responses that differ from the last one in nothing but their text and their counts of tokens.

Most responses of an answer are one piece of text. What stands around the text of one is learned: in front of it and
behind it up to the counts every byte must be the same, and from the counts on every byte but digits. Such a read is
the same response with another text, and need not be parsed; its counts are read when it was the last one.

JSON leaves no other reading. A string cannot reach over an unescaped quote, and what stands behind it holds one; that
the string is the answer's text is proved when the frame is learned, by parsing it with another string in its place.
"""

from __future__ import annotations

import msgspec

from .chunk import Chunk, decode_chunk

_MEMBERS = (b'"text": ', b'"text":')
_COUNTS = b'"usageMetadata"'
_DIGITS = b"0123456789"
_PROBE = b'"\\u0000probe"'
_PROBE_TEXT = "\0probe"
_PATIENCE = 8  # frames that were learned and never seen again, before learning is given up

_decode_string = msgspec.json.Decoder(str).decode
_encode = msgspec.json.encode


class LearnedFrame:
    """The bytes around the text of the last plain response.

    `prefix` is what stands in front of the text: None, to be set by whoever sees something else come, forgets the
    frame. `patience` is how many frames may still be learned in vain. `heard` are the texts that were recognised since
    somebody emptied it, `last` is the read of the last of them.
    """

    __slots__ = ("_behind", "_length", "_rest", "_start", "heard", "last", "patience", "prefix")

    def __init__(self) -> None:
        self.prefix: bytes | None = None
        self._start = 0  # where the string begins in a read, its quote included
        self._behind = b""  # what stands behind the string, its quote included, up to the counts
        self._length = 0  # of the same
        self._rest = b""  # the counts and all behind them, without digits
        self.patience = _PATIENCE
        self.heard: list[str] = []
        self.last = b""

    def text(self, read: bytes) -> str:
        """Returns the text of a read that is the learned response but for text and counts. Hot: once a read."""
        prefix = self.prefix
        if prefix is None or not read.startswith(prefix):
            return ""
        end = read.find(self._behind, self._start + 1)
        if end < 0 or read[end + self._length :].translate(None, _DIGITS) != self._rest:
            return ""
        try:
            text = _decode_string(read[self._start : end + 1])
        except (msgspec.DecodeError, UnicodeDecodeError):
            return ""
        self.heard.append(text)
        self.last = read
        return text

    def take(self) -> str:
        """Returns the text that was recognised since the last time; there is use in learning then."""
        text = "".join(self.heard)
        self.heard.clear()
        self.patience = _PATIENCE
        return text

    def learn(self, read: bytes, text: str) -> None:
        """Learns the frame of a read that was one response of that text and nothing else."""
        self.prefix = None
        if not self.patience or not _is_one_event(read):
            return
        self.patience -= 1
        string = _encode(text)
        member = next((one for one in _MEMBERS if one + string in read), None)
        if member is None:
            return
        start = read.find(member + string) + len(member)
        behind = read[start + len(string) - 1 :]
        counts = behind.find(_COUNTS)
        if counts < 0 or not _reads_back(read[6:start] + _PROBE + behind[1:].strip()):
            return
        self._start = start
        self._length = counts + len(_COUNTS)
        self._behind = behind[: self._length]
        self._rest = behind[self._length :].translate(None, _DIGITS)
        self.prefix = read[: start + 1]


def _is_one_event(read: bytes) -> bool:
    ends = read.endswith((b"\n\n", b"\r\n\r\n"))
    return ends and read.startswith(b"data: ") and read.find(b"\n") >= len(read) - 3


def counted(read: bytes) -> Chunk:
    """Returns the response of a read that was recognised."""
    return decode_chunk(read[6:])


def _reads_back(payload: bytes) -> bool:
    """Tells whether the probe is found as the one text of the first answer, and nothing beside it."""
    try:
        chunk = decode_chunk(payload)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return False
    if not chunk.candidates or len(chunk.candidates) != 1 or chunk.candidates[0].index:
        return False
    content = chunk.candidates[0].content
    parts = content.parts if content is not None else None
    return parts is not None and len(parts) == 1 and parts[0].text == _PROBE_TEXT and not parts[0].thought
