"""What every scan promises, for words and for patterns."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.matching import Folding, Pattern, Scan, Word, Words

SEARCHES = [
    Words([Word("abc"), Word("bcd"), Word("c", whole=True)], Folding(case_sensitive=True, normalize=True)),
    Pattern("ab+c"),
    Pattern("a(?=b)", max_match=4),
]

PIECES = st.lists(st.text("abc d\u200b", max_size=5), max_size=12)


@pytest.mark.parametrize("search", SEARCHES, ids=["words", "pattern", "window"])
@given(pieces=PIECES)
def test_what_is_safe_stays_safe(search: Words | Pattern, pieces: list[str]) -> None:
    scan: Scan = search.scan()
    length = safe = 0
    for piece in pieces:
        scan.feed(piece)
        length += len(piece)
        assert safe <= scan.safe <= length
        assert all(start >= safe for start, _, _ in scan.found), "a match began in what had been called safe"
        assert all(0 <= start < end <= length for start, _, end in scan.found)
        scan.found.clear()
        safe = scan.safe
    scan.settle()
    assert scan.safe == length
    assert all(safe <= start < end <= length for start, _, end in scan.found)
    scan.found.clear()
    scan.settle()
    assert scan.found == []
