import json

import pytest

from proxy.api.raw import ABSENT, Raw
from proxy.providers.gemini.grounding import citation_annotations, grounding_annotations, page_items, searches_in

TEXT = "Über 85°F. It rains. It rains."
PAGE = {"web": {"uri": "https://a.example/", "title": "a"}}
MAP = {"maps": {"uri": "https://maps.example/"}}


def grounded(supports, chunks=(PAGE, MAP), text=TEXT):
    raw = Raw(json.dumps({"groundingChunks": list(chunks), "groundingSupports": supports}).encode())
    return grounding_annotations(raw, text)


def support(start, end, text="", chunks=(0,)):
    segment = {"startIndex": start, "endIndex": end, "text": text}
    return {"segment": segment, "groundingChunkIndices": list(chunks)}


def places(annotations):
    return [(one["start_index"], one["end_index"]) for one in annotations]


def test_offsets_in_bytes_become_offsets_in_characters():
    first = "Über 85°F."
    (annotation,) = grounded([support(0, len(first.encode()), first)])
    assert annotation == {
        "type": "url_citation",
        "url": "https://a.example/",
        "title": "a",
        "start_index": 0,
        "end_index": len(first),
    }


def test_the_text_is_believed_before_the_offsets():
    (annotation,) = grounded([support(500, 600, "It rains.")])
    assert TEXT[annotation["start_index"] : annotation["end_index"]] == "It rains."


def test_a_text_that_is_not_there_is_nowhere():
    assert places(grounded([support(3, 9, "It snows.")])) == [(0, 0)]


def test_a_stretch_may_rest_on_several_sources_and_each_is_told_once():
    annotations = grounded([support(0, 2, chunks=(0, 1, 7, 0)), support(0, 2, chunks=(1,))])
    assert [one["title"] for one in annotations] == ["a", "https://maps.example/"]


def test_sources_without_a_place_stand_at_the_beginning():
    assert places(grounded([])) == [(0, 0), (0, 0)]


@pytest.mark.parametrize("raw", [ABSENT, Raw(b"{}"), Raw(b"[]"), Raw(b'{"groundingChunks":[{"web":{"title":"x"}}]}')])
def test_nothing_found_is_no_citation(raw):
    assert grounding_annotations(raw, TEXT) == []


@pytest.mark.parametrize(
    ("raw", "count"),
    [(ABSENT, 0), (Raw(b"[]"), 0), (Raw(b"{}"), 0), (Raw(b'{"webSearchQueries":["a","b"]}'), 2)],
)
def test_searches_are_counted(raw, count):
    assert searches_in(raw) == count


@pytest.mark.parametrize("name", ["citationSources", "citations"])
def test_citations_under_both_names_never_lie_outside_the_text(name):
    raw = Raw(json.dumps({name: [{"startIndex": 4, "endIndex": 9000, "uri": "https://a.example/"}, {}]}).encode())
    (annotation,) = citation_annotations([raw, raw], TEXT)
    assert (annotation["start_index"], annotation["end_index"]) == (3, len(TEXT))


def test_pages_that_were_opened():
    opened = {"retrievedUrl": "https://a.example/", "urlRetrievalStatus": "URL_RETRIEVAL_STATUS_SUCCESS"}
    unsafe = {"retrievedUrl": "https://b.example/", "urlRetrievalStatus": "URL_RETRIEVAL_STATUS_UNSAFE"}
    found = page_items(Raw(json.dumps({"urlMetadata": [opened, unsafe, {}, 5]}).encode()))
    assert [(one["status"], one["action"]) for one in found] == [
        ("completed", {"type": "open_page", "url": "https://a.example/"}),
        ("failed", {"type": "open_page", "url": "https://b.example/"}),
    ]


@pytest.mark.parametrize("raw", [ABSENT, Raw(b"null"), Raw(b"{}"), Raw(b"[1]"), Raw(b'{"urlMetadata":3}')])
def test_no_pages(raw):
    assert page_items(raw) == []
