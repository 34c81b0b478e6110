import json
import math
import tracemalloc
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.json_writing import write_json

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(PLAIN)
def test_it_says_what_it_was_given(value: Any) -> None:
    written = write_json({"value": value})
    assert json.loads(written) == {"value": value}
    assert msgspec.json.decode(written) == msgspec.json.decode(msgspec.json.encode({"value": value}))


def test_raw_json_stays_as_it_is() -> None:
    raw = msgspec.Raw(b'{ "a" : 1.50,\n"b":[1e2]}')
    assert write_json({"x": [raw, 1]}) == b'{"x":[{ "a" : 1.50,\n"b":[1e2]},1]}'


def test_what_orjson_cannot_write_is_written_all_the_same() -> None:
    class Point(msgspec.Struct):
        x: int

    raw = msgspec.Raw(b"[ 1 ]")
    assert write_json([2**70, Point(1), raw]) == b'[1180591620717411303424,{"x":1},[ 1 ]]'
    assert write_json([math.nan, math.inf]) == b"[null,null]"
    with pytest.raises(UnicodeEncodeError):
        write_json(["\ud800"])


def test_it_holds_no_more_memory_than_its_length() -> None:
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        held = [write_json({"input": "x" * size}) for size in (20, 200, 2000, 20_000)]
        grown = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert grown < sum(map(len, held)) + 1000
