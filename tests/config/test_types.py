"""Durations, sizes and secrets in their written forms."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from proxy.config.types import Duration, Mistake, Secret, Size, Sources, shown

SOURCES = Sources({"TOKEN": "s3cret\n", "EMPTY": ""})


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        ("500ms", 0.5),
        ("30s", 30),
        ("10m", 600),
        ("2h", 7200),
        ("30d", 2592000),
        ("1.5 h", 5400),
        (15, 15),
        (0.25, 0.25),
        (0, 0),
    ],
)
def test_a_duration_is_seconds(written, seconds):
    assert Duration.parse(written, SOURCES) == seconds


@pytest.mark.parametrize(
    "written", ["30", "-1s", "s", "1w", "1h30m", "", -1, True, None, [], float("inf"), float("nan")]
)
def test_what_is_no_duration(written):
    with pytest.raises(Mistake, match="is no duration"):
        Duration.parse(written, SOURCES)


@pytest.mark.parametrize(
    ("written", "size"),
    [
        ("32MiB", 33554432),
        ("10MB", 10_000_000),
        ("64k", 65536),
        ("1 g", 2**30),
        ("512", 512),
        ("7B", 7),
        ("1.5kib", 1536),
        (9, 9),
    ],
)
def test_a_size_is_bytes(written, size):
    assert Size.parse(written, SOURCES) == size


@pytest.mark.parametrize("written", ["", "k", "-1", "3 apples", 1.5, True, None, -1])
def test_what_is_no_size(written):
    with pytest.raises(Mistake, match="is no size"):
        Size.parse(written, SOURCES)


@pytest.mark.parametrize("text", ["500ms", "45s", "10m", "2h", "30d"])
def test_a_duration_is_written_as_it_was_read(text):
    assert Duration.parse(text, SOURCES).written == text


def test_odd_durations_and_sizes_are_written_too():
    assert [Duration(0).written, Duration(0.0005).written] == ["0s", "0.0005s"]
    assert [Size(0).written, Size(1000).written, Size(1536 * 1024).written, Size(2**40).written] == [
        "0",
        "1000",
        "1536KiB",
        "1TiB",
    ]


@pytest.mark.parametrize("written", ["env:TOKEN", "os.environ/TOKEN", "s3cret"])
def test_a_secret_is_looked_up(written):
    assert Secret.parse(written, SOURCES).reveal() == "s3cret"


def test_a_secret_is_read_from_a_file_beside_the_config(tmp_path: Path):
    (tmp_path / "token").write_text("from file\n")
    secret = Secret.parse("file:token", Sources({}, tmp_path))
    assert (secret.reveal(), secret.source) == ("from file", "file:token")


@pytest.mark.parametrize(
    ("written", "what", "fix"),
    [
        ("env:NOPE", "environment variable NOPE is not set", "set NOPE before starting"),
        ("env:EMPTY", "environment variable EMPTY is empty", "set EMPTY before starting"),
        ("env:", '"" is no name of an environment variable', "write env:NAME"),
        ("os.environ/NOPE", "environment variable NOPE is not set", "set NOPE before starting"),
        ("${MASTER_KEY}", '"${MASTER_KEY}" is not replaced by the variable', "write env:MASTER_KEY"),
        ("$MASTER_KEY", '"$MASTER_KEY" is not replaced by the variable', "write env:MASTER_KEY"),
        ("", "a secret cannot be empty", "write env:NAME or file:PATH"),
        (12345, "expected a secret, found a bare number or word", "write env:NAME or file:PATH, or put it in quotes"),
        ("file:missing", 'cannot read the secret\'s file "missing": No such file or directory', "check the path"),
        ("file:binary", 'cannot read the secret\'s file "binary": it is not UTF-8 text', "check the path"),
        ("file:blank", 'the secret\'s file "blank" is empty', "put the secret in it"),
    ],
)
def test_what_is_no_secret(written, what, fix, tmp_path: Path):
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    (tmp_path / "blank").write_text("\n")
    with pytest.raises(Mistake) as caught:
        Secret.parse(written, Sources(SOURCES.environ, tmp_path))
    assert (caught.value.what, caught.value.fix) == (what, fix)


def test_a_secret_beginning_with_a_dollar_is_a_secret():
    assert Secret.parse("$ecret", SOURCES).reveal() == "$ecret"


@pytest.mark.parametrize("written", ["env:NOPE", "file:nope"])
def test_nothing_is_looked_up_when_it_is_not_wanted(written):
    assert Secret.parse(written, Sources({}, resolve=False)).source == written


def test_a_secret_is_never_printed():
    secret = Secret("s3cret")
    struct = msgspec.defstruct("Holder", [("key", Secret)])(secret)
    assert [repr(secret), str(secret), f"{secret}", "%s" % secret, secret.written] == ["***"] * 5  # noqa: UP031
    assert "s3cret" not in repr(struct)
    with pytest.raises(TypeError):
        msgspec.json.encode(struct)


def test_secrets_compare_by_value():
    assert Secret("a") == Secret("a", "env:A")
    assert Secret("a") != Secret("b")
    assert Secret("a") != "a"
    assert len({Secret("a"), Secret("a")}) == 1


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("a", '"a"'),
        ("x" * 80, '"' + "x" * 57 + '..."'),
        ("a\n", '"a\\n"'),
        ("- auth:\n    key: SECRET\n", "a text of several lines"),
        (None, "nothing"),
        (True, "true"),
        ({}, "a mapping"),
        ([], "a list"),
        (3, "3"),
    ],
)
def test_values_are_shown_short(value, text):
    assert shown(value) == text
