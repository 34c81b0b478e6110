"""Regular expressions in pieces: what is held back, and what is refused."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.matching import Pattern, Personal
from proxy.matching.patterns import PatternScan, unfinished_source

CARD = r"\b(?:\d[ -]?){13,16}\b"


@pytest.mark.parametrize(
    "source",
    [
        r"\d{4}-\d{4}",
        CARD,
        r"sk-[A-Za-z0-9_-]{8,}",
        r"(?i)pass(?:word|phrase)\s*[:=]\s*\S+",
        r"a|bc|def",
        r"[]x]\]",
        r"\x41\u0042{2,3}?",
        r"(?P<year>20\d\d)",
        r"x{a}y",
    ],
)
def test_the_beginning_of_a_match_is_known_as_one(source: str) -> None:
    samples = [
        "1234-5678",
        "4111 1111 1111 1111",
        "sk-abcdefgh12",
        "password: hunter2",
        "a",
        "bc",
        "def",
        "]]",
        "x]",
        "ABBB",
        "ABB",
        "2031",
        "x{a}y",
    ]
    unfinished = re.compile(unfinished_source(source) or "")
    hits = [sample for sample in samples if (found := re.match(source, sample)) and found.end() == len(sample)]
    assert hits
    for sample in hits:
        for cut in range(len(sample) + 1):
            assert unfinished.match(sample[:cut]), (source, sample[:cut])
    assert not unfinished.match("zz")


@pytest.mark.parametrize(
    "source", [r"(?=a)a", r"(?<!a)b", r"(a)\1", r"a++b", r"(?i:a)b", r"(?>ab)c", r"(?P<n>a)(?P=n)", r"(?x)a b"]
)
def test_what_cannot_be_written_falls_back_to_the_window(source: str) -> None:
    assert unfinished_source(source) is None
    scan = Pattern(source, max_match=10).scan()
    scan.feed("z" * 50)
    assert scan.safe == 41


def test_text_that_cannot_begin_a_match_is_not_held() -> None:
    scan = Pattern(CARD).scan()
    for piece, safe in (("my card is ", 11), ("41", 11), ("11 1", 11), ("x", 18), (" ok", 21)):
        scan.feed(piece)
        assert scan.safe == safe, piece


def test_a_match_that_may_grow_is_not_sure_yet() -> None:
    scan = Pattern(r"sk-\w+").scan()
    scan.feed("sk-ab")
    assert (scan.found, scan.safe) == ([], 0)
    scan.feed("cd ")
    assert (scan.found, scan.safe) == ([(0, 0, 7)], 8)


def test_settling_takes_the_end_of_the_text_for_the_end() -> None:
    scan = Pattern(r"end$").scan()
    scan.feed("the end")
    scan.settle()
    assert scan.found == [(4, 0, 7)]


def test_the_beginning_of_what_is_kept_is_not_the_beginning_of_the_text() -> None:
    scan = Pattern(r"^b", max_match=4).scan()
    scan.feed("a" * 100)
    scan.feed("b")
    scan.settle()
    assert scan.found == []


@given(st.integers(1, 40), st.integers(1, 9))
def test_what_is_kept_of_the_text_is_bounded(rounds: int, size: int) -> None:
    scan = Pattern(r"ab+", max_match=8).scan()
    for _ in range(rounds):
        scan.feed("b" * size)
    assert len(scan._text) <= 4 * 8 + size


@pytest.mark.parametrize("source", ["", "a*", "x|"])
def test_expressions_for_nothing_are_refused(source: str) -> None:
    with pytest.raises(ValueError, match="empty text"):
        Pattern(source)


def test_boundaries_alone_match_nothing() -> None:
    scan = Pattern(r"\b").scan()
    scan.feed("a b c")
    scan.settle()
    assert scan.found == []


def test_case_counts_when_asked() -> None:
    scan = Pattern("Bad", case_sensitive=True).scan()
    scan.feed("bad Bad")
    scan.settle()
    assert scan.found == [(4, 0, 7)]


@pytest.mark.parametrize("source", [r"\bfoo\d{2,4}\w", r"(?i)ab+c?", r"[^x]y{2}|z\.", r"\p{Greek}+!", r"[[:alpha:]]9"])
def test_re2_finds_the_same_at_any_chunking(source: str) -> None:
    text = "a foo123 abbc éyy z. αβ! foo12 b9 x9 foo99"
    whole = Pattern(source, engine="re2").scan()
    whole.feed(text)
    whole.settle()
    assert whole.found
    for size in (1, 2, 3, 7):
        scan = Pattern(source, engine="re2").scan()
        for at in range(0, len(text), size):
            scan.feed(text[at : at + size])
        scan.settle()
        assert sorted(scan.found) == sorted(whole.found), size


@pytest.mark.parametrize("source", [r"(?<=a)b", r"(a)\1", r"a(?=b)"])
def test_re2_refuses_what_may_take_forever(source: str) -> None:
    with pytest.raises(ValueError, match=r"RE2 refuses it: .+"):
        Pattern(source, engine="re2")


def test_re2_takes_no_longer_for_an_evil_expression() -> None:
    scan = Pattern(r"(a+)+b", engine="re2").scan()
    scan.feed("a" * 200)  # Python's own engine would not come back
    scan.settle()
    assert scan.found == []


def test_the_end_is_looked_at_no_oftener_for_many_candidates(monkeypatch: pytest.MonkeyPatch) -> None:
    looks = 0
    undecided = PatternScan._undecided

    def counted(scan: PatternScan) -> int:
        nonlocal looks
        looks += 1
        return undecided(scan)

    monkeypatch.setattr(PatternScan, "_undecided", counted)
    scan = Personal("credit_card").scan()
    scan.feed("4" * 2000)  # no card begins anywhere in it
    assert (scan.found, looks < 100) == ([], True)


@pytest.mark.parametrize("engine", ["python", "re2"])
@pytest.mark.parametrize(
    ("source", "begin", "others"),
    [
        (r"\d{4}-\d{4}", "0 9", "a -"),
        (r"sk-\w+", "s S x\u017f", "k - t"),
        (r"\Bfoo|^bar", "f F b", "o a r"),
        (r"x", "x X", "y"),
        (r"[pP]ass|[^\0-\x7f]+!", "p P \u4e00", "a !"),
    ],
)
def test_the_characters_with_which_a_match_begins_are_known(source: str, begin: str, others: str, engine: Any) -> None:
    hint = Pattern(source, engine=engine).hint
    assert hint is not None
    assert all(hint.search(one) for one in begin.split())
    assert not any(hint.search(one) for one in others.split())


def test_what_may_begin_with_anything_is_always_looked_at() -> None:
    assert Pattern(r"\S+@x").hint is None
    assert Pattern(r"(?<=a)b").hint is None
