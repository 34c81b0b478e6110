"""Personal data and secrets, found by their forms and nothing else, wherever a text is cut."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.matching import KINDS, Matcher, Personal, PersonalKind
from proxy.matching.personal import luhn

A36 = "aB3" * 12
FOUND: list[tuple[PersonalKind, str, str]] = [
    ("credit_card", "my 4111 1111 1111 1111 ok", "my # ok"),
    ("credit_card", "12 4111-1111-1111-1111 2024", "12 # 2024"),
    ("credit_card", "amex 378282246310005.", "amex #."),
    ("iban", "pay DE89 3704 0044 0532 0130 00 is mine", "pay # is mine"),
    ("iban", "AB12 this is GB82WEST12345698765432 DE89 3704 0044 0532 0130 00", "AB12 this is # #"),
    ("email", "mail ann.b+c@x.example.com, or bo@b.co!", "mail #, or #!"),
    ("phone", "call +49 30 1234567, or +1 (555) 123-4567", "call #, or #"),
    ("phone", "(555) 223-4567 x", "# x"),
    ("ip", "at 10.0.0.1:80, fe80::1 or 2001:db8:0:1:1:1:1:1.", "at #:80, # or #."),
    ("api_key", "sk-proj-abcdefghijklmnopqrstuv and AKIAIOSFODNN7EXAMPLE", "# and #"),
    ("api_key", f"ghp_{A36} xoxb-1234567890-abc AIza{A36} sk_live_{A36}", "# # # #"),
    ("jwt", "Bearer eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.abcdefghijk end", "Bearer # end"),
    (
        "private_key",
        "see -----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4\nMII+/=\n-----END RSA PRIVATE KEY-----, done",
        "see #, done",
    ),
    ("private_key", "-----BEGIN PRIVATE KEY-----\nMIIcut", "#"),
]
INNOCENT: list[tuple[PersonalKind, str]] = [
    ("credit_card", "4111 1111 1111 1112"),  # the check digit is wrong
    ("credit_card", "x4111111111111111 20240101123456789 41111111111111112222"),
    ("iban", "DE88 3704 0044 0532 0130 00"),  # likewise
    ("iban", "XX89370400440532013000 DE8937040044053201300 and 12 words more"),
    ("email", "no@where, a@ b.c, @x.com"),
    ("phone", "1-2-3, version 1.2.3.4, +12345, 2024-01-01, 555-123-4567-8"),
    ("ip", "1.2.3.4.5, 999.1.1.1, 12:30:45, std::vec, dead::beef, 2.0.1"),
    ("api_key", "task-abcdefghijklmnopqrstuvwxyz, sk-short, AKIA"),
    ("jwt", "eyJhbGciOiJIUzI1NiJ9.x.y"),
    ("private_key", "-----BEGIN CERTIFICATE-----"),
]


def masked(kind: PersonalKind, pieces: list[str]) -> str:
    screen = Matcher([Personal(kind)], ["#"]).screen()
    return "".join([*(screen.feed(piece) for piece in pieces), screen.settle()])


@pytest.mark.parametrize(("kind", "text", "wanted"), [*FOUND, *((kind, text, text) for kind, text in INNOCENT)])
def test_what_has_the_form_is_found_wherever_it_is_cut(kind: PersonalKind, text: str, wanted: str) -> None:
    assert masked(kind, [text]) == wanted
    assert masked(kind, list(text)) == wanted
    for cut in range(1, len(text)):
        assert masked(kind, [text[:cut], text[cut:]]) == wanted, cut


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_text_full_of_candidates_is_masked_alike_at_any_chunking(data: st.DataObject) -> None:
    pieces = st.sampled_from(["4111 1111", " 1111 1111", "DE89", " 3704 0044 0532 0130 00", "+49 ", "12.1", ".1.1", " ",
                              "a@b", ".com", "sk-", "abcdefghij0123456789", "word", "5", "::1", "é"])  # fmt: skip
    text = "".join(data.draw(st.lists(pieces, max_size=12)))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=8)))
    parts = [text[start:end] for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    for kind in KINDS:
        assert masked(kind, parts) == masked(kind, [text]), kind


def test_ordinary_prose_is_not_held_back_for_cards() -> None:
    screen = Matcher([Personal("credit_card"), Personal("private_key")], ["#", "#"]).screen()
    assert [screen.feed(piece) for piece in ("The", " model", " has 3", "2 layers", ".")] == [
        "The", " model", " has ", "32 layers", "."]  # fmt: skip


def test_long_secrets_are_kept_track_of_in_bounded_memory() -> None:
    scan = Personal("jwt").scan()
    for _ in range(3000):
        scan.feed("plain words ")
    assert len(scan._text) < 1000
    assert scan.safe == 36000


def test_check_digits() -> None:
    assert [luhn("4111111111111111"), luhn("4111111111111112"), luhn("378282246310005")] == [True, False, True]


@pytest.mark.parametrize(
    ("kind", "text", "most"),
    [
        ("jwt", "eyJ-" * 1000, 2),
        ("credit_card", "4" * 4000, 1),
        ("credit_card", "4 " * 2000, 2000),
        ("iban", "GB12 " * 800, 800),
    ],
)
def test_what_looks_like_data_all_over_is_examined_once_a_place_at_most(
    kind: PersonalKind, text: str, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, examined = Personal(kind), []
    examine = one.span_at

    def span_at(text: str, start: int, end: int) -> tuple[int, int] | int | None:
        examined.append(start)
        return examine(text, start, end)

    monkeypatch.setattr(one, "span_at", span_at)
    scan = one.scan()
    for at in range(0, len(text), 5):
        scan.feed(text[at : at + 5])
    scan.settle()
    assert scan.found == []
    assert len(examined) <= most


@pytest.mark.parametrize("before", ["", "key-", "eyJ-", "eyJaaaaaaaaa-"])
def test_a_token_is_found_whatever_stands_in_front_of_it(before: str) -> None:
    token = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N"
    matcher = Matcher([Personal("jwt")], ["#"])
    assert matcher.whole(f"{before}{token} x")[0].removeprefix(before) == "# x"
