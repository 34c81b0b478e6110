"""Half surrogate pairs: joined over chunks, replaced where they stay alone."""

from __future__ import annotations

import json
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.providers.chat.chunk import (
    Choice,
    Chunk,
    CustomPiece,
    Delta,
    FunctionPiece,
    ToolCallPiece,
    decode_leniently,
)
from proxy.providers.chat.surrogates import Surrogates, clean, has_halves, joined, load

HIGH, LOW = "\ud83d", "\ude00"


@pytest.mark.parametrize(
    ("text", "mended"),
    [
        ("a", "a"),
        (HIGH + LOW, "\U0001f600"),
        (HIGH, "\ufffd"),
        (LOW, "\ufffd"),
        (LOW + HIGH, "\ufffd\ufffd"),
        (HIGH + HIGH + LOW, "\ufffd\U0001f600"),
        (HIGH + "x" + LOW, "\ufffdx\ufffd"),
        ("\U0001f600" + HIGH, "\U0001f600\ufffd"),
    ],
)
def test_pairs_are_joined_and_halves_replaced(text: str, mended: str) -> None:
    assert joined(text) == mended


def test_a_whole_tree_is_cleaned() -> None:
    assert clean({HIGH: [LOW, {"a": HIGH + LOW}, 5, None]}) == {"\ufffd": ["\ufffd", {"a": "\U0001f600"}, 5, None]}
    chunk = Chunk([Choice(delta=Delta(content=HIGH), error={"a": HIGH})], service_tier=LOW)
    assert clean(chunk) == Chunk([Choice(delta=Delta(content="\ufffd"), error={"a": "\ufffd"})], service_tier="\ufffd")


def test_what_is_nested_too_deep_is_dropped() -> None:
    nested: object = HIGH
    for _ in range(900):
        nested = [nested]
    assert json.dumps(clean({"a": nested})).count("[") < 100


@pytest.mark.parametrize(("payload", "found"), [(b'"\\ud83d"', True), (b'"\\uDE00"', True), (b'"\\u00d8"', False)])
def test_payloads_with_halves_are_recognised(payload: bytes, found: bool) -> None:
    assert has_halves(payload) is found


def test_load_reads_any_payload() -> None:
    assert load(b'{"a":"\\ud83d"}') == {"a": "\ufffd"}
    assert load(b'{"a":1}') == {"a": 1}
    assert load(b"plain \xff words") == "plain \ufffd words"
    assert isinstance(load(b"[" * 100_000), str)


def chunk(delta: Delta) -> Chunk:
    """Returns a chunk of one choice."""
    return Chunk([Choice(delta=delta)])


def test_arguments_and_input_are_joined_over_chunks() -> None:
    surrogates = Surrogates()
    for half, whole in ((HIGH, ""), (LOW, "\U0001f600")):
        pieces = [
            ToolCallPiece(0, function=FunctionPiece(arguments=half)),
            ToolCallPiece(1, custom=CustomPiece(input=half)),
        ]
        surrogates.mend(chunk(Delta(tool_calls=pieces)))
        assert pieces[0].function is not None
        assert pieces[1].custom is not None
        assert (pieces[0].function.arguments, pieces[1].custom.input) == (whole, whole)


def test_another_answers_halves_do_not_mix_in() -> None:
    surrogates = Surrogates()
    surrogates.mend(chunk(Delta(content=HIGH)))
    surrogates.mend(Chunk([Choice(index=1, delta=Delta(content=LOW))]))
    last = chunk(Delta(content=LOW))
    surrogates.mend(last)
    assert last == chunk(Delta(content="\U0001f600"))


def test_a_half_waits_through_empty_chunks_and_to_the_end() -> None:
    surrogates = Surrogates()
    for content in (HIGH, "", None):
        surrogates.mend(chunk(Delta(content=content)))
    assert surrogates.finish() == "\ufffd"
    assert surrogates.finish() == ""


@settings(max_examples=80, derandomize=True, deadline=None, database=None)
@given(text=st.text(st.sampled_from(f"aé那\U0001f600{HIGH}{LOW}"), max_size=8), data=st.data())
def test_wherever_text_is_cut_into_chunks_it_says_the_same(text: str, data: st.DataObject) -> None:
    raw = text.encode("utf-16-le", "surrogatepass")
    units = [raw[at : at + 2] for at in range(0, len(raw), 2)]
    cuts = [0, *sorted(data.draw(st.lists(st.integers(0, len(units)), max_size=4))), len(units)]
    surrogates = Surrogates()
    said = ""
    for start, end in pairwise(cuts):
        piece = b"".join(units[start:end]).decode("utf-16-le", "surrogatepass")
        read = decode_leniently(json.dumps({"choices": [{"delta": {"content": piece}}]}).encode())
        assert read is not None
        surrogates.mend(read[0])
        assert read[0].choices is not None
        delta = read[0].choices[0].delta
        assert delta is not None
        assert isinstance(delta.content, str)
        said += delta.content
    assert said + surrogates.finish() == joined(text)
