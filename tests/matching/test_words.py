"""The automaton itself: what it finds, and that its quick ways find the same as the thorough one."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from proxy.matching import Folding, Match, Word, Words
from proxy.matching.words import WordScan

LOOSE = Folding(case_sensitive=False, normalize=True)
EXACT = Folding(case_sensitive=True, normalize=False)


def found(words: Words, *pieces: str) -> list[Match]:
    scan = words.scan()
    for piece in pieces:
        scan.feed(piece)
    scan.settle()
    return sorted(scan.found)


@pytest.mark.parametrize(
    "text",
    ["Verboten", "VERBOTEN", "ｖｅｒｂｏｔｅｎ", "ver\u200bbo\u00adten", "v\u2060erbo\ufe0ften", "𝐯𝐞𝐫𝐛𝐨𝐭𝐞𝐧"],
)
def test_other_ways_to_write_a_word_are_found(text: str) -> None:
    words = Words([Word("verboten")], LOOSE)
    for cut in range(len(text) + 1):
        assert found(words, "a ", text[:cut], text[cut:], " b") == [(2, 0, 2 + len(text))]


@pytest.mark.parametrize(
    ("word", "text"), [("caf\u00e9", "cafe\u0301"), ("cafe\u0301", "CAF\u00c9"), ("straße", "STRASSE"), ("ﬁsh", "fish")]
)
def test_composed_and_decomposed_letters_are_one(word: str, text: str) -> None:
    assert found(Words([Word(word)], LOOSE), text) == [(0, 0, len(text))]


def test_case_counts_when_asked() -> None:
    words = Words([Word("Bad")], EXACT)
    assert found(words, "bad BAD Bad ba\u200bd") == [(8, 0, 11)]


@pytest.mark.parametrize(
    ("pieces", "count"),
    [
        (["cat"], 1),
        (["ca", "t"], 1),
        (["cat", "s"], 0),
        (["con", "cat"], 0),
        (["cat", "."], 1),
        (["_cat"], 0),
        (["cat", "\u200b", "s"], 0),
        (["cat", "\u200b", " "], 1),
        (["cat\u0301"], 0),
        (["a cat", " and a cat"], 2),
        (["猫cat"], 0),
        (["(cat)"], 1),
    ],
)
def test_whole_words_wait_for_what_follows(pieces: list[str], count: int) -> None:
    assert len(found(Words([Word("cat", whole=True)], LOOSE), *pieces)) == count


def test_whole_phrases_may_begin_and_end_in_signs() -> None:
    words = Words([Word("c++", whole=True), Word("#tag", whole=True)], LOOSE)
    assert len(found(words, "in c++11 or abc#tag")) == 2
    assert not found(words, "xc++ #tags")


@given(
    st.lists(st.text("abc", min_size=1, max_size=5), min_size=1, max_size=6),
    st.text("abcx", max_size=40),
    st.integers(0, 40),
)
def test_long_pieces_take_a_quick_way_to_the_same_end(words: list[str], text: str, cut: int) -> None:
    search = Words([Word(word) for word in words], EXACT)
    padding = "x" * 400
    once = found(search, text[:cut], padding + text[cut:], text)
    slowly = found(search, *(text[:cut] + padding + text[cut:] + text))
    assert once == slowly


@given(
    st.lists(st.text("abcdefghij", min_size=1, max_size=5), min_size=1, max_size=12),
    st.lists(st.text("abcdefghijx", max_size=6), max_size=12),
)
def test_pieces_that_come_again_lead_to_the_same_end(words: list[str], pieces: list[str]) -> None:
    search = Words([Word(word) for word in words], EXACT)
    slowly = found(search, *"".join(pieces))
    assert [found(search, *pieces) for _ in range(3)] == [slowly] * 3


def test_a_long_piece_may_end_inside_a_word() -> None:
    for cut in range(7):
        pieces = ("x" * 300 + "banned"[:cut], "banned"[cut:] + "x" * 300)
        assert found(Words([Word("banned")], EXACT), *pieces) == [(300, 0, 306)]


def test_hold_back_is_what_may_still_become_a_match() -> None:
    scan = Words([Word("hidden"), Word("idle")], LOOSE).scan()
    for piece, safe in (("a h", 2), ("id", 2), ("l", 3), ("y", 7)):
        scan.feed(piece)
        assert scan.safe == safe


def test_invisible_characters_without_end_are_not_held_for_ever() -> None:
    scan = Words([Word("bad", whole=True)], LOOSE).scan()
    scan.feed("ba")
    for _ in range(200):
        scan.feed("\u200b" * 10)
    assert scan.safe == 2002
    scan.feed(" bad")
    for _ in range(200):
        scan.feed("\u200b" * 10)
    assert scan.found == [(2003, 0, 2006)]
    assert scan.safe == 4006


def test_words_of_which_nothing_is_left_are_refused() -> None:
    with pytest.raises(ValueError, match="nothing is left"):
        Words([Word("\u200b")], LOOSE)


def test_words_that_nest_too_deep_for_an_expression_are_found_all_the_same() -> None:
    ladder = ["a" * depth + "b" for depth in range(1, 1500)]
    assert found(Words([Word(word) for word in ladder], EXACT), "x" * 300, "aab")[-1] == (301, 0, 303)


def test_what_begins_inside_a_word_is_not_held_back_for_whole_words() -> None:
    scan = Words([Word("bird", whole=True), Word("red fox", whole=True)], LOOSE).scan()
    decided = []
    for piece in ("abi", "rd b", "ire", "d", " red fo", "x", "-r", "ed fox", "."):
        scan.feed(piece)
        decided.append(scan.safe)
    assert decided == [3, 6, 10, 11, 12, 12, 20, 20, 28]
    assert scan.found == [(12, 0, 19), (20, 0, 27)]


@pytest.mark.parametrize("word", ["ban", "жук"])
def test_pieces_that_were_skipped_are_remembered(word: str) -> None:
    words = Words([Word(word, whole=True)], LOOSE)
    for before, there in (("ur", False), ("ur ", True), ("x" * 500, False), ("." * 500, True), ("UR", False)):
        scan = words.scan()
        assert scan.skip(before)
        assert scan.idle("x")
        for piece in ("\u200b", word[:2], f"{word[2:]} ", "-"):
            scan.feed(piece)
        scan.settle()
        assert bool(scan.found) == there, before
        assert scan.safe == len(before) + 1 + len(word) + 2
    assert not words.scan().skip(f"a {word[0]}")


def test_upper_case_begins_a_word_where_case_does_not_count() -> None:
    for case_sensitive in (False, True):
        words = Words([Word("ban")], Folding(case_sensitive=case_sensitive, normalize=True))
        assert words.scan().skip("a B") == words.scan().skip("a BA") == case_sensitive
        assert words.scan().skip("a bx")
        assert not words.scan().skip("a ba")


ODD = st.text("eé\u0301sßuﬁfi\u200b가 A-\u1100\u1161", max_size=5)


@given(st.lists(st.tuples(ODD, st.booleans()), min_size=1, max_size=4), st.lists(ODD, max_size=10), st.data())
def test_letters_that_become_several_or_none_take_quick_ways_too(
    words: list[tuple[str, bool]], pieces: list[str], data: st.DataObject
) -> None:
    banned = [Word(text, number, whole) for number, (text, whole) in enumerate(words) if LOOSE.text(text)]
    assume(banned)
    search, text = Words(banned, LOOSE), "".join(pieces)
    slowly = search.scan()
    for char in text:
        slowly._feed_thoroughly(char)
    slowly.settle()
    scan, decided = search.scan(), []
    for piece in pieces:
        if not (data.draw(st.booleans()) and scan.skip(piece)):
            scan.feed(piece)
        decided.append((scan.safe, len(scan.found)))
    scan.settle()
    assert sorted(scan.found) == sorted(slowly.found)
    for safe, count in decided:
        assert not any(match[0] < safe for match in scan.found[count:])
    assert not (search.clean(text) and slowly.found)


def test_accents_need_no_closer_look_than_other_letters(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(WordScan, "_feed_thoroughly", None)
    scan = Words([Word("bluebird"), Word("zèle")], LOOSE).scan()
    for piece in ("L'été", " dernier,", " l'élève", " a", " étudié…", " Straße", " 한국어", " ép", "ater"):
        scan.feed(piece)
    assert scan.found == []
