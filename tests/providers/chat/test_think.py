"""ThinkSplitter: tags in any pieces, and nothing held back longer than it must."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.providers.chat.think import ThinkSplitter
from tests.support.cost import check_growth


def split(pieces: Iterable[str], *, implied: bool = False) -> tuple[str, str]:
    """Returns thinking and text of an answer in pieces."""
    splitter = ThinkSplitter(implied=implied)
    found = [one for piece in pieces for one in splitter.feed(piece)] + splitter.flush()
    assert all(text for _, text in found)
    return "".join(text for thinking, text in found if thinking), "".join(
        text for thinking, text in found if not thinking
    )


@pytest.mark.parametrize(
    ("answer", "thinking", "text"),
    [
        ("<think>r</think>a", "r", "a"),
        ("\n <think>\nr\n</think>\n\na\n", "r", "a\n"),
        ("<think>\n\n</think>\n\na", "", "a"),
        ("<think></think>a", "", "a"),
        ("<think>r", "r", ""),
        ("<think>a\n</thin", "a\n</thin", ""),
        ("<think>a</think></think>b", "a", "</think>b"),
        ("<think>a < b\n\nc</think> d", "a < b\n\nc", " d"),
        ("a<think>b</think>", "", "a<think>b</think>"),
        ("<thinking>", "", "<thinking>"),
        ("\n\na", "", "\n\na"),
        ("<thi", "", "<thi"),
        ("", "", ""),
    ],
)
def test_an_answer_is_parted_wherever_it_is_cut(answer: str, thinking: str, text: str) -> None:
    assert split([answer]) == (thinking, text)
    assert split(answer) == (thinking, text)
    for cut in range(len(answer)):
        assert split([answer[:cut], answer[cut:]]) == (thinking, text)


@pytest.mark.parametrize(
    ("answer", "thinking", "text"),
    [
        ("r</think>a", "r", "a"),
        ("\nr\n</think>\n\na", "\nr", "a"),
        ("<think>r</think>a", "r", "a"),
        ("no tag at all", "no tag at all", ""),
        ("</think>a", "", "a"),
        ("<thi", "<thi", ""),
    ],
)
def test_an_implied_tag_need_not_be_seen(answer: str, thinking: str, text: str) -> None:
    assert split([answer], implied=True) == (thinking, text)
    assert split(answer, implied=True) == (thinking, text)


ANSWERS = st.lists(st.sampled_from(["<think>", "</think>", "\n", " ", "a", "<", "</th", "ink>", "/"]), max_size=8).map(
    "".join
)


@settings(max_examples=120, derandomize=True, deadline=None, database=None)
@given(answer=ANSWERS, implied=st.booleans(), cuts=st.lists(st.integers(0, 60), max_size=4))
def test_the_cuts_make_no_difference_and_little_is_held(answer: str, implied: bool, cuts: list[int]) -> None:
    places = [0, *sorted(min(cut, len(answer)) for cut in cuts), len(answer)]
    pieces = [answer[start:end] for start, end in pairwise(places)]
    expected = split([answer], implied=implied)
    assert split(pieces, implied=implied) == expected
    splitter = ThinkSplitter(implied=implied)
    given_out = 0
    for end, piece in zip(places[1:], pieces, strict=True):
        given_out += sum(len(text) for _, text in splitter.feed(piece))
        tags = (
            answer[:end].count("think>") * 9 + answer[:end].count("\n") + len(answer[:end]) - len(answer[:end].lstrip())
        )
        assert end - given_out <= tags + len("\n</think")


def test_once_in_the_text_no_tag_can_come() -> None:
    splitter = ThinkSplitter()
    splitter.feed("<think>r</think>")
    assert not splitter.over
    splitter.feed("a")
    assert splitter.over


def test_white_space_without_an_end_is_text() -> None:
    splitter = ThinkSplitter()
    assert splitter.feed(" " * 256) == []
    assert splitter.feed(" ") == [(False, " " * 257)]


def test_what_was_held_can_be_had_when_something_comes_between() -> None:
    splitter = ThinkSplitter()
    splitter.feed("\n")
    assert splitter.flush() == [(False, "\n")]
    assert splitter.feed("<think>r</think>") == [(True, "r")]


def test_long_thinking_costs_no_more_than_its_text() -> None:
    def work(size: int) -> None:
        split(["<think>", *["<"] * size])

    check_growth(work, 2_000)
