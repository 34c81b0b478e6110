"""What a screen lets out equals what a plain reading of the whole text gives, wherever the text is cut."""

from __future__ import annotations

import re
from itertools import pairwise

from hypothesis import example, given
from hypothesis import strategies as st

from proxy.matching import Folding, Matcher, Pattern, Screen, Word, Words
from proxy.matching.folding import in_word

PLAIN = Folding(case_sensitive=False, normalize=False)
LETTERS = "abcdß1_ .\u0130A"


def texts(alphabet: str = LETTERS, **sizes: int) -> st.SearchStrategy[str]:
    """Returns texts, many of them of two letters only: there words begin, end and hold each other."""
    return st.one_of(st.text(st.sampled_from(alphabet[:2]), **sizes), st.text(st.sampled_from(alphabet), **sizes))


def cuts(text: str, places: list[int]) -> list[str]:
    edges = [0, *sorted(place % (len(text) + 1) for place in places), len(text)]
    return [text[start:end] for start, end in pairwise(edges) if start < end]


def play(screen: Screen, pieces: list[str]) -> str:
    return "".join(map(screen.feed, pieces)) + screen.settle()


def spans(text: str, words: list[Word]) -> list[tuple[int, int, int]]:
    """Finds all words in a text by looking at every part of it."""
    found = []
    for number, word in enumerate(words):
        wanted = word.text.casefold()
        for start in range(len(text)):
            for end in range(start + 1, len(text) + 1):
                part = text[start:end].casefold()
                # the smallest part that holds the word: a character that folds to several may be cut through
                inside = wanted in part and wanted not in text[start + 1 : end].casefold()
                if inside and wanted not in text[start : end - 1].casefold():
                    if word.whole and not (part == wanted and stands_alone(text, start, end)):
                        continue
                    found.append((start, number, end))
    return sorted(found)


def stands_alone(text: str, start: int, end: int) -> bool:
    before = start > 0 and in_word(text[start - 1].casefold()[-1]) and in_word(text[start].casefold()[0])
    after = end < len(text) and in_word(text[end].casefold()[0]) and in_word(text[end - 1].casefold()[-1])
    return not before and not after


def expected(text: str, found: list[tuple[int, int, int]], masks: list[str | None]) -> tuple[str, int | None]:
    out, at, edge = "", 0, -1
    for start, rule, end in found:
        mask = masks[rule]
        if mask is None:
            return out + text[at : max(at, start)], rule
        if start > edge:
            out += text[at:start] + mask
        at = edge = max(edge, end)
    return out + text[at:], None


WORDS = st.lists(
    st.builds(Word, texts("abcds1_ ", min_size=1, max_size=4), whole=st.just(False)), min_size=1, max_size=5
)
PLACES = st.lists(st.integers(0, 60), max_size=12)


def numbered(words: list[Word]) -> list[Word]:
    return [Word(word.text, number, word.whole) for number, word in enumerate(words)]


@given(WORDS, texts(max_size=40), PLACES)
@example([Word("ss")], "aßb", [2])
def test_masked_words_are_those_of_the_whole_text(words: list[Word], text: str, places: list[int]) -> None:
    words = numbered(words)
    masks: list[str | None] = [f"[{number}]" for number in range(len(words))]
    screen = Matcher([Words(words, PLAIN)], masks).screen()
    assert play(screen, cuts(text, places)) == expected(text, spans(text, words), masks)[0]


@given(WORDS, texts(max_size=40), PLACES)
def test_no_banned_word_is_in_what_goes_out(words: list[Word], text: str, places: list[int]) -> None:
    words = numbered(words)
    for mask in ("*", None):
        screen = Matcher([Words(words, PLAIN)], [mask] * len(words)).screen()
        out = ""
        for piece in cuts(text, places):
            out += screen.feed(piece)
            assert not any(word.text.casefold() in out.casefold() for word in words)
        out += screen.settle()
        assert not any(word.text.casefold() in out.casefold() for word in words)


@given(WORDS, texts(max_size=40), PLACES)
def test_blocked_text_ends_in_front_of_the_first_match(words: list[Word], text: str, places: list[int]) -> None:
    words = numbered(words)
    masks: list[str | None] = [None if number % 2 else "-" for number in range(len(words))]
    screen = Matcher([Words(words, PLAIN)], masks).screen()
    out = play(screen, cuts(text, places))
    assert (out, screen.blocked) == expected(text, spans(text, words), masks)


@given(WORDS, texts("wxyz ", max_size=60), PLACES)
def test_without_a_match_everything_goes_out(words: list[Word], text: str, places: list[int]) -> None:
    words = [Word("q" + word.text) for word in words]
    assert play(Matcher([Words(words, PLAIN)], [None]).screen(), cuts(text, places)) == text


@given(WORDS, texts("abcds1_ .", max_size=40), PLACES)
def test_no_more_is_held_than_the_longest_word_less_one(words: list[Word], text: str, places: list[int]) -> None:
    screen = Matcher([Words(words, PLAIN)], ["*"]).screen()
    longest = max(len(word.text) for word in words)
    read = 0
    for piece in cuts(text, places):
        screen.feed(piece)
        read += len(piece)
        assert read - screen.released <= longest - 1


@given(WORDS, texts(max_size=40), PLACES)
def test_whole_words_are_those_of_the_whole_text(words: list[Word], text: str, places: list[int]) -> None:
    words = numbered([Word(word.text, whole=True) for word in words])
    masks: list[str | None] = ["#"] * len(words)
    screen = Matcher([Words(words, PLAIN)], masks).screen()
    assert play(screen, cuts(text, places)) == expected(text, spans(text, words), masks)[0]


SOURCES = st.sampled_from(
    [
        r"ab+c",
        r"\d{3}",
        r"a.c",
        r"[abc]{2,4}d",
        r"(?:ab|ba)c?",
        r"\bab\b",
        r"a(?=b)",
        r"(a)b\1",
        r"(?<!a)b1",
        r"a*?b",
        r"\$1{2}",
    ]
)


@given(st.lists(SOURCES, min_size=1, max_size=3), texts("abcd1 $", max_size=50), PLACES)
def test_patterns_find_the_same_wherever_the_text_is_cut(sources: list[str], text: str, places: list[int]) -> None:
    patterns = [Pattern(source, rule=number, max_match=60) for number, source in enumerate(sources)]
    found = [
        (match.start(), number, match.end())
        for number, source in enumerate(sources)
        for match in re.finditer(source, text, re.IGNORECASE)
    ]
    masks: list[str | None] = [f"<{number}>" for number in range(len(sources))]
    screen = Matcher(patterns, masks).screen()
    assert play(screen, cuts(text, places)) == expected(text, sorted(found), masks)[0]


@given(texts("ab1", max_size=60), PLACES)
def test_matches_longer_than_the_window_stay_hidden(text: str, places: list[int]) -> None:
    pattern = Pattern(r"a1+", max_match=5)
    screen = Matcher([pattern], ["*"]).screen()
    out = play(screen, cuts(text, places))
    assert "a1" not in out


@given(WORDS, texts(max_size=30), texts(max_size=30))
def test_a_word_goes_on_behind_what_was_settled(words: list[Word], before: str, after: str) -> None:
    words = numbered(words)
    screen = Matcher([Words(words, PLAIN)], [None] * len(words)).screen()
    out = screen.feed(before) + screen.settle()
    assert not screen.holding
    out += screen.feed(after) + screen.settle()
    assert not any(word.text.casefold() in out.casefold() for word in words)


def test_offsets_move_with_the_masks() -> None:
    screen = Matcher([Words([Word("bad")], PLAIN)], ["*****"]).screen()
    out = play(screen, ["a b", "ad day"])
    assert out == "a ***** day"
    assert [screen.moved(offset) for offset in (0, 2, 3, 5, 6)] == [0, 2, 2, 7, 8]


def test_what_passes_whole_is_not_copied() -> None:
    screen = Matcher([Words([Word("bad")], PLAIN)], [None]).screen()
    piece = "".join(["some ", "text"])
    assert screen.feed(piece) is piece


def test_a_complete_text_tells_what_was_found() -> None:
    matcher = Matcher([Words([Word("bad", 0), Word("worse", 1)], PLAIN)], ["*", None])
    text, screen = matcher.whole("a bad and a worse one")
    assert (text, screen.blocked, screen.masked) == ("a * and a ", 1, {0})
    assert not Matcher([], [])


def test_what_is_only_watched_is_noted_and_never_held_back() -> None:
    folding = Folding(case_sensitive=False, normalize=True)
    matcher = Matcher([Words([Word("fox", 0)], folding)], ["#", "?"], [Words([Word("bluebird", 1)], folding)])
    screen = matcher.screen()
    assert [screen.feed(piece) for piece in ("a blue", "bird and a f", "ox")] == ["a blue", "bird and a ", "#"]
    assert (screen.masked, screen.flagged, screen.blocked) == ({0}, {1}, None)
