import msgspec
import pytest

from proxy.api.responses.parts import InputImage, InputPart, OutputText, RefusalPart, TextPart, ThoughtPart

PARTS = {
    "input_text": {"text": "a"},
    "output_text": {"text": "a", "annotations": [], "logprobs": []},
    "text": {"text": "a"},
    "refusal": {"refusal": "no"},
    "input_image": {"image_url": "data:image/png;base64,AA==", "detail": "low"},
    "input_file": {"file_data": "data:text/plain;base64,AA==", "filename": "a"},
    "input_audio": {"input_audio": {"data": "AA==", "format": "wav"}},
    "input_video": {"video_url": "https://example.com/v.mp4"},
}


@pytest.mark.parametrize("kind", PARTS)
def test_every_part_is_read_by_its_type(kind):
    part = msgspec.json.decode(msgspec.json.encode({"type": kind, **PARTS[kind]}), type=InputPart)
    assert part.__struct_config__.tag == kind


def test_texts_of_all_kinds_are_texts():
    for kind in ("input_text", "output_text", "text"):
        part = msgspec.json.decode(f'{{"type":"{kind}","text":"x"}}', type=InputPart)
        assert isinstance(part, TextPart)
        assert part.text == "x"
    thought = msgspec.json.decode(b'{"type":"reasoning_text","text":"x"}', type=ThoughtPart)
    assert isinstance(thought, TextPart)


def test_null_means_absent():
    part = msgspec.json.decode(b'{"type":"input_image","image_url":null,"file_id":"f","detail":null}', type=InputPart)
    assert isinstance(part, InputImage)
    assert (part.image_url, part.file_id, part.detail) == (None, "f", None)


def test_what_is_not_read_may_hold_anything():
    part = msgspec.json.decode(b'{"type":"output_text","text":"x","annotations":null,"new":{"a":1}}', type=InputPart)
    assert isinstance(part, OutputText)
    assert not isinstance(part, RefusalPart)
