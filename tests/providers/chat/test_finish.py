"""Why chat completions end."""

from __future__ import annotations

from proxy.providers.chat.finish import FAILED_FINISH, FINISH


def test_words_are_compared_in_lower_case_and_no_failure_is_an_end() -> None:
    words = {*FINISH, *FAILED_FINISH}
    assert words == {word.lower() for word in words}
    assert not FAILED_FINISH & FINISH.keys()
    assert set(FINISH.values()) == {"length", "content_filter"}
