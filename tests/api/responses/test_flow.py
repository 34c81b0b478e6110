"""The deltas of what is open: each is a template with a number and a text, framed as a chunk."""

from __future__ import annotations

import random
from types import SimpleNamespace
from typing import Any

import pytest
from msgspec.json import encode

from proxy.api.responses.event_writer import MANY, chunk_template, delta_template
from proxy.chunks import frame
from proxy.events import TextDelta
from tests.server.test_stream import unchunk
from tests.support.forms import FORMS, Form, each_form

PLACE = {"item_id": "msg_50%", "output_index": 0, "content_index": 12}
TEMPLATE = delta_template("response.output_text.delta", PLACE, logprobs=True)
TEXTS = ["a", 'say "no"', "back\\slash", "new\nline", "\x00\x1f\x7f", "é日本😀", "\u2028", "%d %b %%", "x" * 5000, " "]


def opened(form: Form, *, entries: list[object] | None = None, first: int = 0) -> tuple[Any, Any]:
    """Returns the writer of a part that has just begun, and the part."""
    numbers = form.Numbers()
    numbers.next = first
    writer = form.Flow(numbers, entries)
    part = SimpleNamespace(texts=[], shown=[])
    writer.open(part, TextDelta, (part.texts, part.shown), chunk_template(TEMPLATE))
    return writer, part


@each_form
@pytest.mark.parametrize("first", [0, 9, 99, MANY - 2, 999_998])
def test_a_piece_is_its_delta_in_a_chunk(form: Form, first: int) -> None:
    entries: list[object] = ["before"]
    writer, part = opened(form, entries=entries, first=first)
    for number, text in enumerate(TEXTS, first):
        chunk = writer.piece(text)
        (delta,) = unchunk(chunk)
        assert delta == TEMPLATE % (number, encode(text))
        assert chunk == frame(delta)
    assert part.texts == part.shown == TEXTS
    assert entries == ["before", *TEXTS]


@each_form
def test_nothing_is_written_or_kept_where_nothing_is_open(form: Form) -> None:
    numbers = form.Numbers()
    writer = form.Flow(numbers, None)
    assert (writer.what, writer.kind, writer.piece("a"), numbers.next) == (None, None, b"", 0)
    part, texts = SimpleNamespace(), list[str]()
    writer.open(part, TextDelta, (texts,), chunk_template(TEMPLATE))
    assert (writer.what, writer.kind) == (part, TextDelta)
    assert writer.piece("a")
    writer.close()
    assert (writer.what, writer.kind) == (None, None)
    assert (writer.piece("b"), texts, numbers.next) == (b"", ["a"], 1)


@pytest.mark.skipif(len(FORMS) < 2, reason="not compiled here: there is no C compiler, or PENSTOCK_PURE=1")
def test_both_forms_write_the_same() -> None:
    chance = random.Random(1)
    pure, compiled = (opened(form)[0] for form in FORMS)
    for _ in range(3000):
        size = chance.choice((1, 3, 30, 2000))
        text = "".join(
            chr(chance.choice((chance.randrange(32), 34, 92, chance.randrange(0xD800)))) for _ in range(size)
        )
        assert pure.piece(text) == compiled.piece(text)
