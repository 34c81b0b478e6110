import json

import pytest

from proxy.errors import BadRequest
from tests.support.gemini import asked
from tests.support.strict_gemini import check


def shown(*content):
    """Returns the parts of a message of the user, and what was named as without effect."""
    built = asked(input=[{"role": "user", "content": list(content)}])
    check(built.raw)
    return built.contents[0]["parts"], built.ignored


def part(**fields):
    return shown({"type": "input_text", "text": "look"}, fields)[0][1]


def refused(**fields):
    with pytest.raises(BadRequest) as caught:
        part(**fields)
    return caught.value


PNG = "aGVsbG8="


@pytest.mark.parametrize(
    ("fields", "made"),
    [
        (
            {"type": "input_image", "image_url": f"data:image/png;base64,{PNG}"},
            {"inlineData": {"mimeType": "image/png", "data": PNG}},
        ),
        (
            {"type": "input_image", "image_url": f"data:;base64,{PNG}"},
            {"inlineData": {"mimeType": "image/jpeg", "data": PNG}},
        ),
        (
            {"type": "input_image", "image_url": "data:image/svg+xml,%3Csvg%2F%3E"},
            {"inlineData": {"mimeType": "image/svg+xml", "data": "PHN2Zy8+"}},
        ),
        (
            {"type": "input_image", "image_url": "https://x.example/a.webp?size=1"},
            {"fileData": {"mimeType": "image/webp", "fileUri": "https://x.example/a.webp?size=1"}},
        ),
        (
            {"type": "input_image", "image_url": "https://x.example/image"},
            {"fileData": {"mimeType": "image/jpeg", "fileUri": "https://x.example/image"}},
        ),
        (
            {"type": "input_image", "image_url": "gs://bucket/a.png"},
            {"fileData": {"mimeType": "image/png", "fileUri": "gs://bucket/a.png"}},
        ),
        (
            {"type": "input_image", "file_id": "files/abc-1"},
            {"fileData": {"fileUri": "https://generativelanguage.googleapis.com/v1beta/files/abc-1"}},
        ),
        (
            {"type": "input_file", "file_data": f"data:application/pdf;base64,{PNG}", "filename": "a.pdf"},
            {"inlineData": {"mimeType": "application/pdf", "data": PNG}},
        ),
        (
            {"type": "input_file", "file_data": PNG, "filename": "notes.txt"},
            {"inlineData": {"mimeType": "text/plain", "data": PNG}},
        ),
        ({"type": "input_file", "file_data": PNG}, {"inlineData": {"mimeType": "application/pdf", "data": PNG}}),
        (
            {"type": "input_file", "file_url": "https://x.example/a.csv"},
            {"fileData": {"mimeType": "text/csv", "fileUri": "https://x.example/a.csv"}},
        ),
        (
            {"type": "input_file", "file_id": "gs://bucket/a.pdf"},
            {"fileData": {"mimeType": "application/pdf", "fileUri": "gs://bucket/a.pdf"}},
        ),
        (
            {"type": "input_audio", "input_audio": {"data": PNG, "format": "mp3"}},
            {"inlineData": {"mimeType": "audio/mp3", "data": PNG}},
        ),
        (
            {"type": "input_audio", "input_audio": {"data": PNG, "format": "flac"}},
            {"inlineData": {"mimeType": "audio/flac", "data": PNG}},
        ),
        (
            {"type": "input_video", "video_url": "https://www.youtube.com/watch?v=1"},
            {"fileData": {"fileUri": "https://www.youtube.com/watch?v=1"}},
        ),
        (
            {"type": "input_video", "video_url": f"data:video/webm;base64,{PNG}"},
            {"inlineData": {"mimeType": "video/webm", "data": PNG}},
        ),
        ({"type": "refusal", "refusal": "no"}, {"text": "no"}),
    ],
)
def test_what_the_user_shows(fields, made):
    assert part(**fields) == made


@pytest.mark.parametrize(
    ("fields", "param", "code"),
    [
        ({"type": "input_image"}, "image_url", "missing_required_parameter"),
        ({"type": "input_image", "image_url": "file:///etc/passwd"}, "image_url", "unsupported_value"),
        ({"type": "input_image", "image_url": "data:image/png;base64"}, "image_url", "invalid_value"),
        ({"type": "input_image", "image_url": "https://[x"}, "image_url", "invalid_value"),
        ({"type": "input_image", "image_url": "gs://a/b.png", "detail": "huge"}, "detail", "invalid_value"),
        ({"type": "input_image", "file_id": "file-abc"}, "file_id", "unsupported_value"),
        ({"type": "input_file", "file_id": "https://evil.example/x"}, "file_id", "unsupported_value"),
        ({"type": "input_file"}, "file_data", "missing_required_parameter"),
        ({"type": "input_video", "video_url": "ftp://x.example/a"}, "video_url", "unsupported_value"),
    ],
)
def test_what_gemini_cannot_be_shown(fields, param, code):
    error = refused(**fields)
    assert (error.param, error.code) == (f"input[0].content[1].{param}", code)


def test_empty_texts_are_left_out():
    assert shown({"type": "input_text", "text": ""}, {"type": "input_text", "text": "a"})[0] == [{"text": "a"}]


def test_what_is_shown_is_the_same_bytes_every_time():
    image = {"type": "input_image", "image_url": f"data:image/png;base64,{PNG}"}
    first, second = (asked(input=[{"role": "user", "content": [image]}]).raw for _ in range(2))
    assert first == second
    assert json.loads(first)
