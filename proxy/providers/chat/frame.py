"""Recognises chunks that differ from the last one in nothing but their text, so that they need not be parsed.

Most servers send every text chunk of an answer in the same bytes but for the text. What stands around the text of one
chunk is learned: `data: {...,"content":` in front, `...}` and a blank line behind. A read that begins and ends with
the same bytes, and holds exactly one JSON string between them, is the same chunk with another text: JSON leaves no
other reading, because the bytes around the string were parsed once and the string cannot reach out of its quotes.

That the string is the answer's text and not some other member called `content` is proved when the frame is learned,
by parsing the chunk once more with another string in its place.
"""

from __future__ import annotations

import msgspec

from .chunk import decode_chunk

_MEMBER, _SPACED_MEMBER = b'"content":', b'"content": '
_PROBE = b'"\\u0000probe"'
_PROBE_TEXT = "\0probe"
_PATIENCE = 8  # frames that were learned and never seen again, before learning is given up

_decode_string = msgspec.json.Decoder(str).decode
_encode = msgspec.json.encode


class LearnedFrame:
    """The bytes around the text of the last plain chunk; servers whose chunks all differ are noticed and left alone.

    `prefix` is what stands in front of the text: None, to be set by whoever sees something else come, forgets the
    frame. `patience` is how many frames may still be learned in vain: at 0 there is no use in more.
    """

    __slots__ = ("_suffix", "patience", "prefix")

    def __init__(self) -> None:
        self.prefix: bytes | None = None
        self._suffix = b""
        self.patience = _PATIENCE

    def text(self, read: bytes) -> str:
        """Returns the text of a read that is the learned chunk but for its text; "" for any other. Hot: once a read."""
        prefix = self.prefix
        if prefix is None:
            return ""
        rest = read.removeprefix(prefix)  # which costs less than asking whether it begins so, and then a slice
        string = rest.removesuffix(self._suffix)
        if rest is read or string is rest:
            return ""
        try:
            text = _decode_string(string)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return ""
        self.patience = _PATIENCE
        return text

    def learn(self, read: bytes, text: str) -> None:
        """Learns the frame of a read that was one chunk of that text and nothing else."""
        self.prefix = None
        if not self.patience or not read.startswith(b"data: ") or read.find(b"\n") != len(read) - 2:
            return
        self.patience -= 1
        string = _encode(text)
        member = _MEMBER if read.find(_MEMBER + string) >= 0 else _SPACED_MEMBER
        at = read.find(member + string)
        if at < 0:
            return
        start = at + len(member)
        behind = read[start + len(string) :]
        if _reads_back(read[6:start] + _PROBE + behind[:-2]):
            self.prefix = read[:start]
            self._suffix = behind


def _reads_back(payload: bytes) -> bool:
    """Tells whether the probe is found as the text of the first answer, and nothing but it."""
    try:
        chunk = decode_chunk(payload)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return False
    if not chunk.choices or len(chunk.choices) != 1 or chunk.choices[0].index:
        return False
    delta = chunk.choices[0].delta
    return delta is not None and delta.content == _PROBE_TEXT
