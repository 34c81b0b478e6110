"""Content parts as blocks: what is taken, and what is refused where."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from proxy.errors import BadRequest
from proxy.providers.bedrock.config import BedrockProfile
from tests.support.asked import request
from tests.support.bedrock_asked import NOVA, SONNET, build, converse

PNG = base64.b64encode(b"\x89PNG\r\n\x1a\nrest").decode()
PDF = base64.b64encode(b"%PDF-1.7 rest").decode()
TEXT = {"type": "input_text", "text": "Look."}


def asked(*parts: dict[str, Any]) -> list[dict[str, Any]]:
    """Returns an input of one message with those parts."""
    return [{"role": "user", "content": list(parts)}]


def blocks(*parts: dict[str, Any], **options: Any) -> list[dict[str, Any]]:
    """Returns the blocks of those parts."""
    found: list[dict[str, Any]] = converse(NOVA, input=asked(*parts), **options).messages[0]["content"]
    return found


def refusal(part: dict[str, Any]) -> BadRequest:
    """Returns what a part is refused with."""
    with pytest.raises(BadRequest) as caught:
        build(request(input=asked(part)))
    return caught.value


def test_texts() -> None:
    assert blocks(TEXT, {"type": "input_text", "text": " \n"}, {"type": "input_text", "text": "x"}) == [
        {"text": "Look."},
        {"text": "x"},
    ]


@pytest.mark.parametrize("media_type", ["image/png", "image/jpeg", "application/octet-stream"])
def test_an_image_is_what_its_bytes_say(media_type: str) -> None:
    assert blocks({"type": "input_image", "image_url": f"data:{media_type};base64,{PNG}"}) == [
        {"image": {"format": "png", "source": {"bytes": PNG}}}
    ]


def test_images_and_films_in_s3() -> None:
    assert blocks(
        {"type": "input_image", "image_url": "s3://bucket/a.jpg"},
        {"type": "input_video", "video_url": "s3://bucket/a.mp4"},
        TEXT,
    )[:2] == [
        {"image": {"format": "jpeg", "source": {"s3Location": {"uri": "s3://bucket/a.jpg"}}}},
        {"video": {"format": "mp4", "source": {"s3Location": {"uri": "s3://bucket/a.mp4"}}}},
    ]


def test_films_and_sounds() -> None:
    assert blocks(
        {"type": "input_video", "video_url": "data:video/webm;base64,AAAA"},
        {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "mp3"}},
    ) == [
        {"video": {"format": "webm", "source": {"bytes": "AAAA"}}},
        {"audio": {"format": "mp3", "source": {"bytes": "AAAA"}}},
    ]


def test_documents_have_names_of_their_own_and_a_text_beside_them() -> None:
    file = {"type": "input_file", "filename": "a_b.pdf", "file_data": f"data:application/pdf;base64,{PDF}"}
    assert blocks(file, {**file, "file_data": PDF}) == [
        {"document": {"format": "pdf", "name": "a b", "source": {"bytes": PDF}}},
        {"document": {"format": "pdf", "name": "a b (2)", "source": {"bytes": PDF}}},
        {"text": "(The document is attached.)"},
    ]
    assert blocks(file, TEXT)[-1] == {"text": "Look."}


def test_other_documents() -> None:
    csv = {"type": "input_file", "filename": "table.csv", "file_data": base64.b64encode(b"a,b").decode()}
    s3 = {"type": "input_file", "file_url": "s3://bucket/dir/t.docx"}
    picture = {"type": "input_file", "filename": "x", "file_data": PNG}
    found = blocks(TEXT, csv, s3, picture)
    assert found[1]["document"]["format"] == "csv"
    assert found[2]["document"] == {
        "format": "docx", "name": "t", "source": {"s3Location": {"uri": "s3://bucket/dir/t.docx"}},
    }  # fmt: skip
    assert found[3] == {"image": {"format": "png", "source": {"bytes": PNG}}}


def test_citations_are_asked_for_of_claude_alone() -> None:
    profile = BedrockProfile(document_citations=True)
    file = {"type": "input_file", "file_data": PDF}
    cited = converse(SONNET, profile, input=asked(TEXT, file)).messages[0]["content"][1]
    assert cited["document"]["citations"] == {"enabled": True}
    plain = converse(NOVA, profile, input=asked(TEXT, file)).messages[0]["content"][1]
    assert "citations" not in plain["document"]


@pytest.mark.parametrize(
    ("part", "param", "word"),
    [
        ({"type": "input_image", "image_url": "https://a.example/x.png"}, "image_url", "data:"),
        ({"type": "input_image", "image_url": f"data:image/bmp;base64,{PDF}"}, "image_url", "png, jpeg"),
        ({"type": "input_image", "image_url": "data:image/png,raw"}, "image_url", "base64"),
        ({"type": "input_image", "image_url": "data:image/png;base64,%%%"}, "image_url", "not valid base64"),
        ({"type": "input_image", "image_url": "data:image/png;base64,"}, "image_url", "empty"),
        ({"type": "input_image", "image_url": "s3://bucket/x.bmp"}, "image_url", "png, jpeg"),
        ({"type": "input_image", "file_id": "file-1"}, "file_id", "keeps no files"),
        ({"type": "input_image"}, "image_url", "Missing"),
        ({"type": "input_file", "file_url": "https://a.example/x.pdf"}, "file_url", "S3"),
        ({"type": "input_file", "file_url": "s3://bucket/x.zip"}, "file_url", "pdf, csv"),
        ({"type": "input_file", "file_id": "file-1"}, "file_id", "keeps no files"),
        ({"type": "input_file", "filename": "x"}, "file_data", "Missing"),
        ({"type": "input_file", "file_data": "data:application/zip;base64,AAAA"}, "file_data", "pdf, csv"),
        ({"type": "input_audio", "input_audio": {"data": "AAAA", "format": "midi"}}, "input_audio", "mp3"),
        ({"type": "input_video", "video_url": "https://a.example/x.mp4"}, "video_url", "S3"),
        ({"type": "input_video", "video_url": "data:video/odd;base64,AAAA"}, "video_url", "mkv"),
    ],
)
def test_what_cannot_be_shown_is_refused_where_it_stands(part: dict[str, Any], param: str, word: str) -> None:
    error = refusal(part)
    assert error.param is not None
    assert error.param.startswith("input[0].content[0]")
    assert param in error.param
    assert word in error.message


def test_instructions_are_text() -> None:
    with pytest.raises(BadRequest) as caught:
        build(request(input=[{"role": "system", "content": [{"type": "input_image", "image_url": "x"}]}, *asked(TEXT)]))
    assert caught.value.param == "input[0].content[0].type"
