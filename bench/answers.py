"""The answers that the fake upstream gives, and what a client must get of them.

Every stream has a text of its own in which no piece comes twice, so that a piece that is lost, repeated, moved or taken
from another stream shows. The first piece is the moment at which the upstream began (`@` and nanoseconds of the
monotonic clock): with it the client knows when each piece was to be sent, without a word between the two processes.
"""

from __future__ import annotations

import re

import msgspec

_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_PAIRS = [a + b for a in _LETTERS for b in _LETTERS]
_WORDS = len(_PAIRS) ** 2
_STEP, _SHIFT = 99991, 7919  # _STEP has no divisor in common with _WORDS: no word comes twice in one stream

_OPEN = (
    b'data: {"id":"chatcmpl-9rT2bench0000000000000000001","object":"chat.completion.chunk","created":1767225600,'
    b'"model":"bench-1","service_tier":"default","system_fingerprint":"fp_0123456789","choices":[{"index":0,"delta":'
)
_CLOSE = b',"logprobs":null,"finish_reason":null}],"usage":null}\n\n'
_TEXT_OPEN = _OPEN + b'{"content":"'
_TEXT_CLOSE = b'"}' + _CLOSE
_CALL_OPEN = _OPEN + b'{"tool_calls":[{"index":0,"function":{"arguments":"'
_CALL_CLOSE = b'"}}]}' + _CLOSE
_WORD_BYTES = 5


def _framed(open: bytes, close: bytes) -> tuple[bytes, bytes]:
    """Returns what stands around a word in a chunk of an HTTP body."""
    return b"%x\r\n" % (len(open) + _WORD_BYTES + len(close)) + open, close + b"\r\n"


_TEXT_FRAME = _framed(_TEXT_OPEN, _TEXT_CLOSE)
_CALL_FRAME = _framed(_CALL_OPEN, _CALL_CLOSE)

ROLE = _OPEN + b'{"role":"assistant","content":"","refusal":null}' + _CLOSE
"""The chunk that opens a stream."""
_CALL = (
    _OPEN
    + b'{"role":"assistant","content":null,"tool_calls":[{"index":0,"id":"call_9rT2bench","type":"function",'
    + b'"function":{"name":"write","arguments":""}}]}'
    + _CLOSE
)
TOOL = {
    "name": "write",
    "description": "Writes a text.",
    "parameters": {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]},
}
"""The tool that is called where arguments are asked for: its name, what it is for, the schema of its arguments."""


BLOCK = 64
"""How many pieces are written at a time, without a pause, where nothing else is said."""


class Order(msgspec.Struct, frozen=True):
    """What one answer is to be: its number, how many pieces, and the pause between them (0: as fast as they go).

    With `tool` the pieces are those of a tool call's arguments, otherwise of text. Without a pause so many pieces as
    `block` says are written at a time.
    """

    number: int
    pieces: int
    interval_ms: float
    stream: bool = True
    usage: bool = True
    tool: bool = False
    block: int = BLOCK

    @property
    def model(self) -> str:
        """The model's name that tells the upstream of it."""
        block = f"-by{self.block}" if self.block != BLOCK else ""
        return f"bench-{self.pieces}-{self.interval_ms:g}{'-tool' if self.tool else ''}{block}"

    @property
    def prompt(self) -> str:
        """The user's words that tell the upstream which one it is."""
        return f"Please give me stream #{self.number}."

    @property
    def whole_prompt(self) -> str:
        """The user's words that tell the upstream all of it, where the model's name has to be another."""
        return f"Please give me stream #{self.number} as {self.model}."


class _Options(msgspec.Struct):
    include_usage: bool = False


class _Body(msgspec.Struct):
    model: str
    stream: bool = False
    stream_options: _Options | None = None


_decode_body = msgspec.json.Decoder(_Body).decode
_SHAPE = r"bench-(\d+)-(\d+(?:\.\d+)?)(-tool)?(?:-by(\d+))?"
_MODEL = re.compile(_SHAPE)
# the last one: earlier turns of a chain have theirs
_NUMBER = re.compile(rf".*stream #(\d+)(?: as ({_SHAPE}))?".encode(), re.DOTALL)


def read_order(body: bytes) -> Order:
    """Returns what a chat request asks for; raises ValueError for a body that no client of the bench has sent."""
    said = _decode_body(body)
    number = _NUMBER.match(body)
    model = _MODEL.fullmatch(number[2].decode() if number and number[2] else said.model)
    if model is None or number is None:
        raise ValueError(f"model {said.model!r} does not say what to answer, or the prompt does not")
    usage = said.stream_options is not None and said.stream_options.include_usage
    block = int(model[4] or BLOCK)
    return Order(int(number[1]), int(model[1]), float(model[2]), said.stream, usage, model[3] is not None, block)


def word(number: int, index: int) -> str:
    """Returns piece `index` (from 1) of stream `number`: a blank and four letters."""
    at = (index * _STEP + number * _SHIFT) % _WORDS
    return f" {_PAIRS[at // len(_PAIRS)]}{_PAIRS[at % len(_PAIRS)]}"


def pieces(number: int, count: int, began_ns: int) -> list[str]:
    """Returns all pieces of a stream that began at `began_ns`."""
    return [f"@{began_ns}", *(word(number, index) for index in range(1, count))]


def arguments(texts: list[str]) -> list[str]:
    """Returns the pieces of a call's arguments in which these pieces are a text."""
    return ['{"text":"' + texts[0], *texts[1:], '"}']


def opening(order: Order, began_ns: int) -> bytes:
    """Returns the events in front of the second piece."""
    moment = f"@{began_ns}"
    if order.tool:
        return _CALL + _CALL_OPEN + b'{\\"text\\":\\"' + moment.encode() + _CALL_CLOSE
    return ROLE + chunk(moment)


def chunk(text: str) -> bytes:
    """Returns the event with one piece of text, of which the text needs no escapes."""
    return _TEXT_OPEN + text.encode() + _TEXT_CLOSE


def word_frame(number: int, index: int, *, tool: bool = False) -> bytes:
    """Returns a piece's event as one chunk of an HTTP body. Hot in the upstream: once a piece."""
    front, behind = _CALL_FRAME if tool else _TEXT_FRAME
    return front + word(number, index).encode() + behind


def frame(data: bytes) -> bytes:
    """Returns bytes as one chunk of an HTTP body."""
    return b"%x\r\n%b\r\n" % (len(data), data)


def closing(order: Order) -> bytes:
    """Returns the events behind the last piece: the finish reason, usage when asked for, the end marker."""
    reason = b'"finish_reason":"tool_calls"' if order.tool else b'"finish_reason":"stop"'
    end = _OPEN + b"{}" + _CLOSE.replace(b'"finish_reason":null', reason)
    if order.tool:
        end = _CALL_OPEN + b'\\"}' + _CALL_CLOSE + end
    if order.usage:
        head = _OPEN[: _OPEN.index(b'"choices"')]
        end += head + b'"choices":[],"usage":' + msgspec.json.encode(usage(order.pieces)) + b"}\n\n"
    return end + b"data: [DONE]\n\n"


def usage(count: int) -> dict[str, int]:
    """Returns the usage object of an answer of that many pieces."""
    return {"prompt_tokens": 11, "completion_tokens": count, "total_tokens": 11 + count}


def whole(order: Order) -> bytes:
    """Returns the answer as one `chat.completion`."""
    message = {"role": "assistant", "content": "".join(pieces(order.number, order.pieces, 0)), "refusal": None}
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}
    return msgspec.json.encode(
        {
            "id": "chatcmpl-9rT2bench0000000000000000001",
            "object": "chat.completion",
            "created": 1767225600,
            "model": "bench-1",
            "choices": [choice],
            "usage": usage(order.pieces),
        }
    )
