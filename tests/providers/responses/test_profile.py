"""The profile of a server of which nothing is known."""

from proxy.providers.responses.profile import ResponsesProfile


def test_it_keeps_nothing_and_is_asked_for_nothing_special() -> None:
    plain = ResponsesProfile()
    asked = (plain.keeps, plain.ask_encrypted, plain.pads, plain.summary)
    assert asked == (False, False, False, None)
    assert plain.plain_reasoning
