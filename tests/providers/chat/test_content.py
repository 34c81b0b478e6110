import base64

import pytest

from proxy.errors import BadRequest
from proxy.providers.chat.profile import ChatProfile
from proxy.providers.openai.provider import PROFILE
from tests.support.asked import chat

PLAIN = ChatProfile()
TEXT = {"type": "input_text", "text": "look"}
IMAGE = {"type": "input_image", "image_url": "data:image/png;base64,AA=="}
AUDIO = {"type": "input_audio", "input_audio": {"data": "AA==", "format": "wav"}}


def content(*parts, profile=PLAIN, role="user"):
    return chat(profile, input=[{"role": role, "content": list(parts)}]).messages[0]["content"]


def refused(*parts, profile=PLAIN, role="user"):
    with pytest.raises(BadRequest) as caught:
        content(*parts, profile=profile, role=role)
    return caught.value


@pytest.mark.parametrize("kind", ["input_text", "output_text", "text"])
def test_one_text_is_a_string(kind):
    assert content({"type": kind, "text": "a"}) == "a"


def test_several_texts_stay_parts_but_where_the_server_wants_a_string():
    parts = [{"type": "text", "text": "look"}, {"type": "text", "text": "look"}]
    assert content(TEXT, TEXT) == parts
    assert content(TEXT, TEXT, profile=ChatProfile(string_content=True)) == "look\n\nlook"


def test_no_parts_are_no_text():
    assert content() == ""


@pytest.mark.parametrize(
    ("detail", "sent"),
    [({}, {}), ({"detail": None}, {})] + [({"detail": d}, {"detail": d}) for d in ("auto", "low", "high")],
)
def test_images(detail, sent):
    assert content(TEXT, {**IMAGE, **detail}) == [
        {"type": "text", "text": "look"},
        {"type": "image_url", "image_url": {"url": IMAGE["image_url"], **sent}},
    ]


def test_original_detail_is_high():
    assert content({**IMAGE, "detail": "original"})[0]["image_url"]["detail"] == "high"


def test_audio():
    assert content(AUDIO) == [AUDIO]


def test_videos_go_where_they_are_taken():
    video = {"type": "input_video", "video_url": "https://example.com/v.mp4"}
    assert content(video, profile=ChatProfile(videos=True)) == [
        {"type": "video_url", "video_url": {"url": "https://example.com/v.mp4"}}
    ]
    assert refused(video).code == "unsupported_value"


def test_documents_go_where_they_are_taken():
    pdf = {"type": "input_file", "filename": "a.pdf", "file_data": "data:application/pdf;base64,AA=="}
    assert content(pdf, profile=PROFILE) == [
        {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,AA=="}}
    ]
    assert refused(pdf).param == "input[0].content[0].file_data"
    by_id = {"type": "input_file", "file_id": "file_1"}
    assert content(by_id, profile=PROFILE) == [{"type": "file", "file": {"file_id": "file_1"}}]
    assert refused(by_id).param == "input[0].content[0].file_id"


@pytest.mark.parametrize("mime", ["text/plain", "text/markdown;charset=utf-8", "application/json"])
def test_text_documents_are_put_into_the_prompt(mime):
    data = f"data:{mime};base64," + base64.b64encode("grüße".encode()).decode()
    assert content({"type": "input_file", "filename": "a.txt", "file_data": data}) == "[file: a.txt]\ngrüße"


@pytest.mark.parametrize(
    "data",
    [
        "AA==",
        "data:text/plain,plain",
        "data:text/plain;base64,%%%",
        "data:text/plain;base64,/w==",
        "data:image/png;base64,AA==",
    ],
)
def test_documents_that_are_no_text_are_refused(data):
    assert refused({"type": "input_file", "file_data": data}).code == "unsupported_value"


@pytest.mark.parametrize(
    ("part", "code", "param"),
    [
        ({"type": "input_image", "file_id": "file_1"}, "unsupported_value", "input[0].content[0].file_id"),
        ({"type": "input_image"}, "missing_required_parameter", "input[0].content[0].image_url"),
        ({**IMAGE, "detail": "huge"}, "invalid_value", "input[0].content[0].detail"),
        ({"type": "input_file"}, "missing_required_parameter", "input[0].content[0].file_data"),
        ({"type": "input_file", "file_url": "https://x"}, "unsupported_value", "input[0].content[0].file_url"),
    ],
)
def test_what_cannot_be_shown_is_refused(part, code, param):
    error = refused(part)
    assert (error.code, error.param) == (code, param)


def test_a_server_of_strings_takes_no_images():
    assert refused(TEXT, IMAGE, profile=ChatProfile(string_content=True)).param == "input[0].content[1]"


def test_breakpoints_of_the_cache_go_where_they_are_taken():
    marked = {**TEXT, "prompt_cache_breakpoint": {"mode": "explicit"}}
    assert content(marked) == "look"
    assert content(marked, profile=PROFILE) == [
        {"type": "text", "text": "look", "prompt_cache_breakpoint": {"mode": "explicit"}}
    ]


def test_those_who_instruct_use_text_only():
    assert content(TEXT, TEXT, role="developer") == "look\n\nlook"
    assert refused(TEXT, IMAGE, role="system").param == "input[0].content[1].type"
