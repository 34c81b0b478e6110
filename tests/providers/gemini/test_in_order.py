import json

from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.providers.gemini.in_order import InOrder

LEAVES = st.none() | st.booleans() | st.integers() | st.text()
VALUES = st.recursive(
    LEAVES, lambda some: st.lists(some, min_size=1) | st.dictionaries(st.text(), some, min_size=1), max_leaves=15
)


def leaves(value, path=()):
    """Yields what a value holds, each with its place, in the order in which it is read."""
    if isinstance(value, dict | list):
        for step, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from leaves(inner, (*path, step))
    else:
        yield path, value


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(st.text(), VALUES, min_size=1), st.integers(1, 4))
def test_whatever_comes_in_order_is_a_beginning_of_the_whole(value, size):
    writer, out = InOrder(), ""
    for path, leaf in leaves(value):
        if isinstance(leaf, str):
            pieces = [leaf[at : at + size] for at in range(0, len(leaf), size)] or [""]
            for number, piece in enumerate(pieces, 1):
                out += writer.text(path, piece, more=number < len(pieces))
        else:
            out += writer.value(path, leaf)
    assert not writer.stopped
    assert json.loads(out + closing_of(out)) == value


def closing_of(text):
    """Returns what closes the containers that are open at the end of JSON."""
    closes, inside, escaped = [], False, False
    for one in text:
        if inside:
            inside = escaped or one != '"'
            escaped = one == "\\" and not escaped
        elif one == '"':
            inside = True
        elif one in "{[":
            closes.append("}" if one == "{" else "]")
        elif one in "}]":
            assert closes.pop() == one
    return "".join(reversed(closes))


def test_it_stops_at_what_comes_too_late():
    writer = InOrder()
    assert writer.value(("a", 0), 1) == '{"a":[1'
    assert writer.value(("a", 2), 1) == ""
    assert writer.stopped
    assert writer.value(("b",), 1) == writer.text(("c",), "x", more=False) == ""
