"""The events of a message that is one text and nothing else, by templates: nearly every stream is one of these.

`output_items` and the encoder's other writers give the same bytes, by way of an object for each event;
`tests/api/responses/test_plain_message.py` holds the one against the other.
"""

from __future__ import annotations

from .event_writer import EventWriter

ITEM = (
    b'{"id":%b,"type":"message","status":"%b","role":"assistant",'
    b'"content":[{"type":"output_text","text":%b,"annotations":[],"logprobs":[]}]}'
)
"""The message in its final form: with its id, its status, and its text."""

_DATA = b'event: response.%b\ndata: {"type":"response.%b","sequence_number":%%d,'
_PLACE = b'"item_id":%b,"output_index":%d,"content_index":0,'
_PART = b'"part":{"type":"output_text","text":%b,"annotations":[],"logprobs":[]}}\n\n'


def _event(name: bytes, fields: bytes) -> bytes:
    return _DATA % (name, name) + fields


_ADDED = _event(
    b"output_item.added",
    b'"output_index":%d,"item":{"id":%b,"type":"message","status":"in_progress","role":"assistant","content":[]}}\n\n',
)
_PART_ADDED = _event(b"content_part.added", _PLACE + _PART.replace(b"%b", b'""'))
_TEXT_DONE = _event(b"output_text.done", _PLACE + b'"text":%b,"logprobs":[]}\n\n')
_PART_DONE = _event(b"content_part.done", _PLACE + _PART)
_DONE = _event(b"output_item.done", b'"output_index":%d,"item":%b}\n\n')


def open_message(writer: EventWriter, id: bytes, index: int, out: list[bytes]) -> None:
    """Tells that a message begins, and in it its text. Ids and texts are JSON."""
    number = writer.next
    writer.next = number + 2
    if writer.heard:
        events = (_ADDED % (number, index, id), _PART_ADDED % (number + 1, id, index))
        out += events
        if writer.log is not None:
            writer.log.entries += events


def close_message(writer: EventWriter, id: bytes, index: int, text: bytes, item: bytes, out: list[bytes]) -> None:
    """Tells that text and message are done; `item` is its final form."""
    number = writer.next
    writer.next = number + 3
    if writer.heard:
        events = (
            _TEXT_DONE % (number, id, index, text),
            _PART_DONE % (number + 1, id, index, text),
            _DONE % (number + 2, index, item),
        )
        out += events
        if writer.log is not None:
            writer.log.entries += events
