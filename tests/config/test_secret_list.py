from pathlib import Path

import pytest

from proxy.config.loader import load_text
from proxy.config.secret_list import SecretList
from proxy.config.types import Mistake, Sources
from proxy.errors import ConfigError

LONG = "0123456789abcdef"
SOURCES = Sources({"ONE": LONG, "TWO": LONG[::-1], "SHORT": "x"}, Path())
FILE = """\
upstreams: {e: {kind: echo}}
models: {m: [e/echo]}
pipeline: [route, stream-translate]
"""


@pytest.mark.parametrize(
    ("value", "found"),
    [("env:ONE", [LONG]), (["env:TWO", "env:ONE"], [LONG[::-1], LONG]), (f"{LONG}{LONG}", [LONG + LONG])],
)
def test_one_or_several(value, found):
    assert SecretList.parse(value, SOURCES).reveal() == found


@pytest.mark.parametrize(
    ("value", "what"),
    [
        ([], "the list of secrets is empty"),
        ("env:SHORT", r"a secret \(env:SHORT\) is shorter than 16 characters"),
        (["env:ONE", "env:GONE"], "environment variable GONE is not set"),
        (7, "expected a secret, found a bare number or word"),
        ("fifteen letters", "shorter than 16"),
    ],
)
def test_mistakes_are_named_and_secrets_are_not(value, what):
    with pytest.raises(Mistake, match=what) as caught:
        SecretList.parse(value, SOURCES)
    assert "fifteen" not in str(caught.value)


def test_what_is_not_looked_up_is_not_measured():
    assert SecretList.parse("env:GONE", Sources({}, resolve=False)).reveal() == [""]


def test_it_is_never_shown():
    secrets = SecretList.parse("env:ONE", SOURCES)
    assert (repr(secrets), secrets.written) == ("***", "***")
    assert secrets == SecretList.parse("env:ONE", SOURCES) != SecretList.parse("env:TWO", SOURCES)
    assert len({secrets, SecretList.parse("env:ONE", SOURCES)}) == 1


@pytest.mark.parametrize("written", ["env:ONE", "[env:TWO, env:ONE]"])
def test_a_file_may_have_it_and_no_warning_comes_of_it(written):
    config = load_text(f"secret: {written}\n{FILE}", "f.yaml", sources=SOURCES)
    assert config.secret is not None
    assert config.secret.reveal()[-1] == LONG
    assert not config.warnings


def test_a_mistake_in_a_file_has_its_line():
    with pytest.raises(ConfigError, match=r"f.yaml:1:9: .*GONE is not set"):
        load_text(f"secret: env:GONE\n{FILE}", "f.yaml", sources=SOURCES)


def test_a_file_need_not_have_it():
    assert load_text(FILE, "f.yaml").secret is None
