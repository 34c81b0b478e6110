"""Heads of the parts of a form: what each is, and what is refused since servers do not agree on it."""

from __future__ import annotations

import pytest

from proxy.errors import BadRequest
from proxy.server.form_part import Part, read_part

WANTED = frozenset(("model", "prompt"))


def head(*lines: str) -> bytes:
    return "".join(f"\r\n{line}" for line in lines).encode()


def disposition(parameters: str) -> bytes:
    return head(f"Content-Disposition: form-data{parameters}")


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ('; name="model"', Part("model", is_file=False)),
        (";name=prompt", Part("prompt", is_file=False)),
        ('; x="; name=user"; NAME="model";', Part("model", is_file=False)),
        ('; name="user"', Part(None, is_file=False)),
        ('; name="image[]"', Part(None, is_file=False)),
        ('; name="model"; filename="a \\"b\\" ; name=x"', Part(None, is_file=True)),
        ("; name=file; filename*=UTF-8''a.wav", Part(None, is_file=True)),
        ("", Part(None, is_file=False)),
    ],
)
def test_what_a_part_is(parameters: str, expected: Part) -> None:
    assert read_part(disposition(parameters), WANTED) == expected


def test_what_is_no_field_at_all() -> None:
    for lines in ((), ("Content-Type: text/plain",), ('Content-Disposition: attachment; name="model"',)):
        assert read_part(head(*lines), WANTED) == Part(None, is_file=False)
    assert read_part(b" \t" + disposition("; name=model"), WANTED).name == "model"  # behind the edge


@pytest.mark.parametrize(
    "parameters",
    [
        '; name="user"; name="model"',
        "; name*=UTF-8''model",
        '; name="mo\\del"',
        '; name="a"model"',
        '; name="model',
        "; name",
    ],
)
def test_what_can_be_read_in_two_ways(parameters: str) -> None:
    with pytest.raises(BadRequest, match="with certainty"):
        read_part(disposition(parameters), WANTED)


@pytest.mark.parametrize(
    "raw",
    [
        head('Content-Disposition: form-data; name="a"', 'content-disposition: form-data; name="model"'),
        head("Content-Disposition: form-data;", ' name="model"'),
        head('X: y\nContent-Disposition: form-data; name="model"'),
        b"x" + disposition("; name=model"),
    ],
)
def test_heads_that_can_be_read_in_two_ways(raw: bytes) -> None:
    with pytest.raises(BadRequest, match="with certainty"):
        read_part(raw, WANTED)


@pytest.mark.parametrize("name", ["Model", "PROMPT", "prompt[]", "model[0]"])
def test_names_that_only_some_servers_take_for_known_ones(name: str) -> None:
    with pytest.raises(BadRequest) as caught:
        read_part(disposition(f'; name="{name}"'), WANTED)
    assert (caught.value.param, caught.value.code) == (name, "unknown_parameter")


@pytest.mark.parametrize(
    ("line", "is_plain"),
    [
        ("Content-Transfer-Encoding: base64", False),
        ("content-transfer-encoding: Quoted-Printable", False),
        ("Content-Transfer-Encoding: 8bit", True),
        ("Content-Type: text/plain; charset=utf-16", False),
        ('Content-Type: text/plain; charset="UTF-8"', True),
    ],
)
def test_codings_of_texts(line: str, is_plain: bool) -> None:
    raw = disposition("; name=prompt") + head(line)
    if is_plain:
        assert read_part(raw, WANTED).name == "prompt"
        return
    with pytest.raises(BadRequest, match="no plain text"):
        read_part(raw, WANTED)
    assert read_part(raw.replace(b"prompt", b"user"), WANTED).name is None
