"""The tokens of the echo models."""

from hypothesis import given
from hypothesis import strategies as st

from proxy.providers.echo.tokens import count_tokens, tokens


def test_tokens_are_words_with_the_space_in_front() -> None:
    assert list(tokens("Hello big  world\n")) == ["Hello", " big", "  world", "\n"]


def test_long_words_are_cut() -> None:
    assert list(tokens("x" * 30)) == ["x" * 12, "x" * 12, "x" * 6]


@given(st.text())
def test_nothing_is_lost_and_no_token_is_empty(text) -> None:
    found = list(tokens(text))
    assert "".join(found) == text
    assert all(found)
    assert count_tokens(text) == len(found)
