from __future__ import annotations

import base64
from typing import Any

import pytest

from proxy.errors import BadRequest
from tests.support.asked import request
from tests.support.messages_asked import PDF, PNG, build, messages

WEBP = base64.b64encode(b"RIFF\x00\x00\x00\x00WEBPVP8 ").decode()


def content(*parts: dict[str, Any], **more: Any) -> list[dict[str, Any]]:
    built = messages({"role": "user", "content": list(parts)}, **more)
    made: list[dict[str, Any]] = built.messages[0]["content"]
    return made


def refused(*parts: dict[str, Any]) -> BadRequest:
    with pytest.raises(BadRequest) as caught:
        content(*parts)
    return caught.value


def data(kind: str, raw: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(raw).decode()}"


@pytest.mark.parametrize("kind", ["input_text", "output_text", "text"])
def test_text(kind: str) -> None:
    assert content({"type": kind, "text": " é "}) == [{"type": "text", "text": " é "}]


def test_text_of_white_space_is_left_out() -> None:
    parts = [{"type": "input_text", "text": text} for text in ("", " \n", "\u00a0", "a")]
    assert content(*parts) == [{"type": "text", "text": "a"}]


@pytest.mark.parametrize(
    ("url", "source"),
    [
        ("https://a/b.png", {"type": "url", "url": "https://a/b.png"}),
        (PNG, {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}),
        (PNG.replace("png", "jpeg", 1), {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}),
        ("data:;base64," + WEBP, {"type": "base64", "media_type": "image/webp", "data": WEBP}),
        ("data:image/gif;x=1;base64,R0lGODlh", {"type": "base64", "media_type": "image/gif", "data": "R0lGODlh"}),
        ("data:image/jpg;base64,/9j/4AAQ", {"type": "base64", "media_type": "image/jpeg", "data": "/9j/4AAQ"}),
    ],
)
def test_images_are_what_their_bytes_say(url: str, source: dict[str, Any]) -> None:
    part = {"type": "input_image", "image_url": url, "detail": "auto"}
    assert content(part) == [{"type": "image", "source": source}]


def test_an_image_that_the_upstream_keeps() -> None:
    built = messages({"role": "user", "content": [{"type": "input_image", "file_id": "file_011"}]})
    assert built.messages[0]["content"] == [{"type": "image", "source": {"type": "file", "file_id": "file_011"}}]
    assert built.betas == ["files-api-2025-04-14"]


@pytest.mark.parametrize(
    ("part", "param"),
    [
        ({"image_url": "http://a/b.png"}, "input[0].content[0].image_url"),
        ({"image_url": "data:image/svg+xml;base64,PHN2Zz4="}, "input[0].content[0].image_url"),
        ({"image_url": "data:image/png,abc"}, "input[0].content[0].image_url"),
        ({"image_url": "data:image/png;base64,%%%"}, "input[0].content[0].image_url"),
        ({"file_id": "file-openai"}, "input[0].content[0].file_id"),
        ({}, "input[0].content[0].image_url"),
    ],
)
def test_images_that_cannot_be_shown(part: dict[str, Any], param: str) -> None:
    assert refused({"type": "input_image", **part}).param == param


@pytest.mark.parametrize(
    ("part", "block"),
    [
        (
            {"file_data": PDF, "filename": "a.pdf"},
            {
                "type": "document",
                "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBERi0xLjQ="},
                "title": "a.pdf",
            },
        ),
        (
            {"file_data": "JVBERi0xLjQ="},
            {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBERi0xLjQ="}},
        ),
        (
            {"file_data": data("text/csv", "ä,b".encode()), "filename": "a.csv"},
            {
                "type": "document",
                "source": {"type": "text", "media_type": "text/plain", "data": "ä,b"},
                "title": "a.csv",
            },
        ),
        (
            {"file_data": data("application/json", b"{}")},
            {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "{}"}},
        ),
        ({"file_url": "https://a/b.pdf"}, {"type": "document", "source": {"type": "url", "url": "https://a/b.pdf"}}),
        ({"file_id": "file_1"}, {"type": "document", "source": {"type": "file", "file_id": "file_1"}}),
        (
            {"file_data": PNG, "filename": "a.png"},
            {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}},
        ),
    ],
)
def test_documents(part: dict[str, Any], block: dict[str, Any]) -> None:
    assert content({"type": "input_file", **part}) == [block]


@pytest.mark.parametrize(
    ("part", "param"),
    [
        ({}, "input[0].content[0].file_data"),
        ({"file_url": "http://a"}, "input[0].content[0].file_url"),
        ({"file_id": "file-1"}, "input[0].content[0].file_id"),
        ({"file_data": data("application/zip", b"PK\x03\x04")}, "input[0].content[0].file_data"),
        ({"file_data": data("text/plain", b"\xff\xfe")}, "input[0].content[0].file_data"),
        ({"file_data": "no base64!"}, "input[0].content[0].file_data"),
    ],
)
def test_documents_that_cannot_be_shown(part: dict[str, Any], param: str) -> None:
    assert refused({"type": "input_file", **part}).param == param


@pytest.mark.parametrize(
    "part",
    [
        {"type": "input_audio", "input_audio": {"data": "AA==", "format": "wav"}},
        {"type": "input_video", "video_url": "https://a"},
    ],
)
def test_sound_and_films_are_refused(part: dict[str, Any]) -> None:
    error = refused(part)
    assert (error.code, error.param) == ("unsupported_value", "input[0].content[0]")


def test_breakpoints_of_the_client() -> None:
    part = {"type": "input_text", "text": "a", "prompt_cache_breakpoint": {"type": "ephemeral"}}
    assert content(part) == [{"type": "text", "text": "a", "cache_control": {"type": "ephemeral"}}]


def test_a_system_message_holds_text_only() -> None:
    image = {"role": "system", "content": [{"type": "input_image", "image_url": PNG}]}
    with pytest.raises(BadRequest) as caught:
        build(request(input=[image, {"role": "user", "content": "a"}]))
    assert caught.value.param == "input[0].content[0].type"
