"""Recognises chunks that differ from the last one in nothing but their text, so that they need not be parsed.

Most servers send every text chunk of an answer in the same bytes but for the text. What stands around the text of one
chunk is learned: `data: {...,"content":` in front, `...}` and a blank line behind. A read that begins and ends with
the same bytes, and holds exactly one JSON string between them, is the same chunk with another text: JSON leaves no
other reading, because the bytes around the string were parsed once and the string cannot reach out of its quotes.
The same holds for pieces of thinking, and for those of a call's arguments.

That the string is the answer's text and not some other member called `content` is proved when the frame is learned,
by parsing the chunk once more with another string in its place.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import msgspec

from ...events import Event, ReasoningDelta, TextDelta, ToolCallDelta
from .chunk import Delta, ToolCallPiece, decode_chunk
from .string_frame import StringFrame

_MEMBERS = Delta.__struct_fields__
_END = b"\n\n"  # of an event; learned ones have no other line end
_STRINGS: dict[type[Event], re.Pattern[bytes]] = {
    kind: re.compile(rb'"(?:%b)": ?("(?:[^"\\]|\\.)*")' % names)
    for kind, names in (
        (TextDelta, b"content"),
        (ReasoningDelta, b"reasoning_content|reasoning"),
        (ToolCallDelta, b"arguments"),
    )
}
"""The members that may hold what an event says."""
_USUAL: dict[type[Event], bytes] = {
    TextDelta: b'"content":',
    ReasoningDelta: b'"reasoning_content":',
    ToolCallDelta: b'"arguments":',
}
_PROBE = b'"\\u0000probe"'
_PROBE_TEXT = "\0probe"
_NOTHING_ELSE = Delta(content=_PROBE_TEXT)
_PATIENCE = 8  # frames that were learned and never seen again, before learning is given up

_encode = msgspec.json.encode
_decode_string = msgspec.json.Decoder(str).decode
_decode_strings = msgspec.json.Decoder(list[str]).decode


class LearnedFrame(StringFrame):
    """The bytes around what the last plain chunk said; servers whose chunks all differ are noticed and left alone.

    Whoever sees something else come sets `prefix` to None, which forgets the frame. `patience` is how many frames may
    still be learned in vain: at 0 there is no use in more.
    """

    __slots__ = ("_like", "patience")

    def __init__(self) -> None:
        super().__init__()
        self._like: Event = TextDelta("")
        self.patience = _PATIENCE

    @property
    def learns(self) -> bool:
        """Whether there is use in learning another one."""
        return self.patience > 0 or self.seen

    def event(self, text: str) -> Event:
        """Returns the event of a text that was recognised."""
        like = self._like
        kind = type(like)
        if kind is TextDelta:
            return TextDelta(text)
        return ToolCallDelta(like.key, text) if isinstance(like, ToolCallDelta) else ReasoningDelta(text)

    def texts(self, read: bytes) -> tuple[list[str], list[bytes], int]:
        """Returns the texts of the learned chunks at the beginning of a read, and how many bytes of it they are.

        Also the JSON of each text, without its quotes. Nothing is found where the first chunk is another one, or one of
        them is not what it seems, or what was learned is not text.
        """
        if self.prefix is None or type(self._like) is not TextDelta:
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

    def learn(self, read: bytes, event: Event, text: str, kept: list[str] | None = None) -> None:
        """Learns the frame of a read that was one chunk and gave that event, which says that text.

        What others like it say is added to `kept`.
        """
        self.prefix = None
        if self.seen:
            self.seen = False
            self.patience = _PATIENCE
        if not self.patience or not read.startswith(b"data: ") or read.find(b"\n") != len(read) - 2:
            return
        self.patience -= 1
        for begin, end in _places(read, event, text):
            if _reads_back(read[6:begin] + _PROBE + read[end:-2], event):
                self.prefix = read[:begin]
                self.suffix = read[end:]
                self.kept = kept
                self._like = event
                return


def _places(read: bytes, event: Event, text: str) -> Iterator[tuple[int, int]]:
    """Returns where in a read the text may stand; first where it does in most."""
    string = _encode(text)
    begin = read.rfind(_USUAL[type(event)] + string)
    if begin >= 0:
        end = begin + len(_USUAL[type(event)]) + len(string)
        yield end - len(string), end
    for found in _STRINGS[type(event)].finditer(read):
        if _says(found[1], text):
            yield found.span(1)


def _says(string: bytes, text: str) -> bool:
    """Tells whether that is the text as JSON."""
    try:
        return _decode_string(string) == text
    except (msgspec.DecodeError, UnicodeDecodeError):
        return False


def _reads_back(payload: bytes, event: Event) -> bool:
    """Tells whether the probe is found where the first answer says what the event does, and nothing beside it."""
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
    if delta is None:
        return False
    if delta == _NOTHING_ELSE:
        return type(event) is TextDelta
    said = [name for name in _MEMBERS if getattr(delta, name)]
    if type(event) is TextDelta:
        return said == ["content"] and delta.content == _PROBE_TEXT
    if type(event) is ReasoningDelta:
        return said in (["reasoning_content"], ["reasoning"]) and getattr(delta, said[0]) == _PROBE_TEXT
    return said == ["tool_calls"] and delta.tool_calls is not None and _goes_on(delta.tool_calls)


def _goes_on(pieces: list[ToolCallPiece]) -> bool:
    """Tells whether they are one piece of a call that is known by its index, and say nothing but the probe."""
    piece, function = pieces[0], pieces[0].function
    known = len(pieces) == 1 and piece.index is not None and not piece.id and piece.custom is None
    return known and function is not None and not function.name and function.arguments == _PROBE_TEXT
