"""Secrets are found wherever they stand; what is no secret stays."""

from __future__ import annotations

import signal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy import redact as module
from proxy.redact import Cleaner, Parts, Remembered, clean, credentials, hide, protect, redact

PLANTED = [
    "sk-abcdEFGH12345678",
    "sk-proj-Ab_c-1234567890",
    "gsk_abcdefgh12345678",
    "ghp_abcdefghijklmnop1234",
    "github_pat_11ABCDEFG0123456789",
    "hf_abcdefghijklmnop",
    "AKIAIOSFODNN7EXAMPLE",
    "AIzaSyA1234567890abcdefghijklmnopqrstuv",
    "eyJhbGciOiJI.eyJzdWIiOiIx.SflKxwRJSMeKKF2QT4",
    "ya29.a0AfH6SMBx1234567890",
]


@pytest.mark.parametrize("secret", PLANTED)
@pytest.mark.parametrize(
    "around", ["{}", "wrong key: {}", "({})", '{{"a": "{}"}}', "https://x.test/?a={}&b=1", "x={};"]
)
def test_keys_are_known_by_their_look(secret: str, around: str) -> None:
    text = redact(around.format(secret))
    assert secret not in text
    assert "***" in text


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("Authorization: Bearer abc123xyz", "Authorization: Bearer ***"),
        ("got 'bearer  abc123xyz'", "got 'bearer ***'"),
        ("Basic dXNlcjpwYXNzd29yZA==", "Basic ***"),
        ("https://user:hunter2@proxy.test:80/x", "https://***@proxy.test:80/x"),
        ("GET /v1?key=hunter2&x=1", "GET /v1?key=***&x=1"),
        ("api_key=hunter2", "api_key=***"),
        ('{"api-key": "hunter2"}', '{"api-key": "***"}'),
        ('"x-goog-api-key":"hunter2"', '"x-goog-api-key":"***"'),
        ("password = hunter2, user = x", "password = ***, user = x"),
        ("client_secret: hunter2", "client_secret: ***"),
        ("access_token=hunter2", "access_token=***"),
    ],
)
def test_what_stands_behind_the_word_for_a_secret_is_hidden(text: str, kept: str) -> None:
    assert redact(text) == kept


@pytest.mark.parametrize(
    "text",
    [
        "The model 'gpt-4o-mini' does not exist.",
        "Incorrect API key provided in the header 'authorization'.",
        "Missing required parameter: 'model'.",
        "Basic reasoning about tokens: input_tokens=5",
        "https://example.test:8080/v1/chat",
        "invalid_api_key",
        'upstream "azure-eu" answered 401: check api_key (env:AZURE_EU_KEY)',
        "risk-averse and task-oriented",
        "openai/gpt-oss-120b",
    ],
)
def test_what_is_no_secret_stays(text: str) -> None:
    assert redact(text) == text


def test_the_clients_own_credentials_are_known_by_their_value() -> None:
    headers = {
        "authorization": "Bearer tok-12345 ",
        "x-api-key": "hunter22",
        "api-key": "no",
        "cookie": "a=b; c=deadbeef",
    }
    secrets = credentials(headers)
    assert secrets == ["a=b; c=deadbeef", "tok-12345", "hunter22"]
    assert credentials({"authorization": "Bearer abc"}) == ["Bearer abc"]
    text = "model tok-12345, agent hunter22/1.0, Bearer tok-12345"
    assert redact(text, secrets) == "model ***, agent ***/1.0, Bearer ***"


def test_data_is_cleaned_all_through() -> None:
    data = {"a": [{"b": "sk-abcdEFGH12345678"}, 1, None, True], "c": "fine", "d": "byte \udcff"}
    assert clean(data) == {"a": [{"b": "***"}, 1, None, True], "c": "fine", "d": "byte \\udcff"}


@given(st.integers(0, 600))
def test_a_secret_at_the_cut_is_hidden_all_the_same(place: int) -> None:
    text = clean("x " * (place // 2) + "sk-abcdEFGH12345678" + "y" * 3000)
    assert len(text) <= 500
    assert "sk-" not in text


@given(st.lists(st.sampled_from([*PLANTED, "Bearer abcdefgh", "?key=abc", "a://b:c@d", "api_key=x", "fine", " ", "-"])))
def test_the_quick_look_misses_nothing(parts: list[str]) -> None:
    text = "".join(parts)
    assert clean(text, longest=10_000) == redact(text)
    assert clean([{"a": text}], longest=10_000) == [{"a": redact(text)}]


@pytest.mark.parametrize(
    "text",
    [
        "a-" * 10**5,
        "://" * 10**5,
        "eyJ" + "a" * 10**5,
        "eyJ-" * 10**5,
        "eyJ-" * 10**5 + ".a",
        "://" + "a:" * 10**5,
        "api_key:" + " " * 10**5,
        "token" + " " * 10**5,
    ],
    ids=lambda text: text[:9],
)
def test_long_hostile_texts_without_a_secret_are_left_alone_in_a_time_that_grows_with_them(text: str) -> None:
    def too_long(*_: object) -> None:
        raise AssertionError("it takes a time that grows with the square of the length")

    before = signal.signal(signal.SIGVTALRM, too_long)
    signal.setitimer(signal.ITIMER_VIRTUAL, 10)  # of this process's own CPU time; a hundredth of it is needed
    try:
        assert redact(text) == text
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        ("http://me:pass@host", "http://***@host"),
        ("http://:pass@host", "http://***@host"),
        ("http://me:pa:ss@host", "http://***@host"),
        ("http://::@host", "http://***@host"),
        ("http://me:@host", "http://me:@host"),
        ("api_key  =   abc", "api_key  =   ***"),
        ('"api_key" : "bearer   abc"', '"api_key" : "bearer   ***"'),
    ],
)
def test_what_stands_in_an_address_and_behind_a_name_is_hidden(text: str, hidden: str) -> None:
    assert redact(text) == hidden


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        ("eyJhbGciOiJI.eyJzdWIiOiIx", "***"),
        ("eyJhbGciOiJI.short", "eyJhbGciOiJI.short"),
        ("eyJ-eyJhbGciOiJI.eyJzdWIiOiIx.x-y, eyJhbGciOiJI", "***, eyJhbGciOiJI"),
        ("eyJhbGciOiJI-sk-abcdEFGH12345678", "eyJhbGciOiJI-***"),
        ("sk-abcdEFGH-eyJhbGciOiJI.eyJzdWIiOiIx.abc", "***"),
        ("eyJhbGciOiJI-ya29.a.bcdefghijk", "eyJhbGciOiJI-***"),
    ],
)
def test_tokens_are_hidden_whole_and_hide_nothing_else(text: str, hidden: str) -> None:
    assert redact(text) == hidden


def test_secrets_of_the_file_are_hidden_by_their_value() -> None:
    for secret in ("protected-value-1", "protected-value-1-longer", "tooshort"):
        protect(secret)
    assert hide("a protected-value-1-longer, a protected-value-1x, tooshort") == "a ***, a ***x, tooshort"
    assert redact("protected-value-1") == clean("protected-value-1") == "***"
    assert hide("mine and yours", ["mine"]) == "*** and yours"


def test_many_secrets_are_hidden_like_few(monkeypatch: pytest.MonkeyPatch) -> None:
    protect("protected-value-2")
    protect("protected-value-2-longer")
    text = "protected-value-2-longer,protected-value-2protected-value-2, protected-value-, protected-valu"
    few = hide(text)
    monkeypatch.setattr("proxy.redact._MOST_IN_PATTERN", 0)
    assert hide(text) == few == "***,******, protected-value-, protected-valu"


def test_a_cleaner_remembers_texts_but_no_exchange() -> None:
    assert Cleaner().text("model-of-a-test") == "model-of-a-test"
    assert Cleaner(["of-a-test"]).text("model-of-a-test") == "model-***"
    assert Cleaner().text("model-of-a-test") == "model-of-a-test"
    assert Cleaner().text("sk-abcdEFGH12345678") == Cleaner().text("sk-abcdEFGH12345678") == "***"
    assert Cleaner().text("req_" + "0a" * 16) == "req_" + "0a" * 16
    assert Cleaner().data({"a": ["sk-abcdEFGH12345678"]}) == {"a": ["***"]}


def test_what_a_cleaner_remembers_is_bounded() -> None:
    cleaner = Cleaner()
    for number in range(5000):
        cleaner.text(f"text {number}")
    assert len(Cleaner._known) <= 4096


def test_what_was_made_of_texts_is_remembered_and_hides_every_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MOST_MADE", 3)
    made: list[Parts] = []

    def make(parts: Parts, cleaner: Cleaner) -> str:
        made.append(parts)
        return " ".join(cleaner.text(part) if isinstance(part, str) else str(part) for part in parts)

    names = Remembered(make)
    assert [names.of(("ann", None, "m-0815-m-0815"), ()) for _ in range(2)] == ["ann None m-0815-m-0815"] * 2
    assert len(made) == 1
    assert names.of(("ann", None, "m-0815-m-0815"), ["m-0815"]) == "ann None ***-***"
    assert names.of(("ann", None, "m-0815-m-0815"), ()) == "ann None m-0815-m-0815"
    protect("m-0815-m-0815")
    assert names.of(("ann", None, "m-0815-m-0815"), ()) == "ann None ***"
    for number in range(10):
        assert names.of((f"made-up-{number}", True), ()) == f"made-up-{number} True"
        names.of((f"{number}" * 5000, True), ())
        assert len(names.known) <= 3
        assert all(len(texts) <= 1000 for texts, _ in names.known.values())
