"""The texts of a request, wherever in its JSON they stand, and what becomes of them."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from proxy.api.texts import FieldText, Name, field_texts, file_text, path_of, texts_in, texts_of, with_text
from proxy.errors import BadRequest
from tests.support.drive import asking, chatting

SCHEMA = {"type": "object", "properties": {"place": {"type": "string", "description": "where", "enum": ["here"]}}}
TOOL = {"type": "function", "name": "look", "description": "looks", "parameters": SCHEMA, "strict": True}
REMOTE = {"type": "mcp", "server_label": "s", "headers": {"authorization": "Bearer x"}, "authorization": "y"}


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def found(value: Any) -> dict[str, str]:
    return {path_of(keys): text for keys, text in texts_in(value)}


def test_all_that_says_something_is_found_and_nothing_secret() -> None:
    assert found([TOOL, REMOTE]) == {
        "[0].name": "look",
        "[0].description": "looks",
        "[0].parameters.properties.place.description": "where",
        "[0].parameters.properties.place.enum[0]": "here",
        "[0].parameters.properties.place (name)": "place",
        "[1].server_label": "s",
    }
    picture = "data:image/png,z"
    assert found({"id": "x", "type": "y", "image_url": picture, "result": "p" * 5000, "data": "w", "n": 1}) == {}


def test_each_can_be_replaced_in_the_order_in_which_they_come() -> None:
    whole = json.loads(json.dumps(TOOL))
    for keys, text in list(texts_in(whole)):
        if text in ("place", "where", "here", "looks"):
            with_text(whole, keys, text.upper())
    place = {"type": "string", "description": "WHERE", "enum": ["HERE"]}
    assert whole == {**TOOL, "description": "LOOKS", "parameters": {"type": "object", "properties": {"PLACE": place}}}
    assert list(whole["parameters"]) == list(SCHEMA)
    assert with_text("a", (), "b") == "b"
    assert with_text({"a": 1, "b": 2}, (Name("a"),), "c") == {"c": 1, "b": 2}


@pytest.mark.parametrize(
    ("data", "filename", "text"),
    [
        (f"data:text/plain;base64,{encoded('hi ü')}", None, "hi ü"),
        ("data:text/csv,a%20b", None, "a b"),
        (encoded('{"a":1}'), "x.json", '{"a":1}'),
        (f"data:application/octet-stream;base64,{encoded('hi')}", "notes.MD", "hi"),
        (encoded("hi"), "x.pdf", "hi"),
        (encoded("hi"), None, "hi"),
        (encoded("a word?>").rstrip("=").replace("+", "-").replace("/", "_"), None, "a word?>"),
        (f"DATA:Text/Plain;charset=utf-8;Base64,{encoded('a ')}\n{encoded('word')}", None, "a word"),
        ("data:application/x-python,word", None, "word"),
        ("not base64!", "x.txt", "not base64!"),
        (base64.b64encode(b"\xff word").decode(), "x.txt", "\ufffd word"),
        (base64.b64encode("\ufeffword".encode("utf-16-le")).decode(), "x.txt", "word"),
        (base64.b64encode(b"\x89PNG" + bytes(2000)).decode(), None, None),
        (base64.b64encode(b"%PDF-1.7 word").decode(), None, None),
        (f"data:application/pdf;base64,{encoded('word')}", None, None),
    ],
)
def test_files_that_are_texts_are_read(data: str, filename: str | None, text: str | None) -> None:
    assert file_text(data, filename) == text
    part = {"type": "input_file", "file_data": data, **({} if filename is None else {"filename": filename})}
    places = {path_of(keys): said for keys, said in texts_in(part)}
    assert places.get(".file_data") == text
    if text is not None:
        with_text(part, ("file_data",), "[gone]")
        assert file_text(str(part["file_data"]), filename) == "[gone]"
        assert str(part["file_data"]).startswith("data:") == data.startswith("data:")


def test_an_address_is_a_file_only_where_addresses_stand() -> None:
    said = {"text": "data: a word", "image_url": f"data:text/plain;base64,{encoded('a word')}"}
    assert found(said) == {".text": "data: a word", ".image_url": "a word"}
    with_text(said, ("image_url",), "gone")
    assert found(said)[".image_url"] == "gone"
    png = base64.b64encode(b"\x89PNG" + bytes(50)).decode()
    assert found({"image_url": {"url": f"data:image/png;base64,{png}"}, "file_url": f"data:image/png,{png}"}) == {}
    assert found({"url": "data: a word"}) == {".url": "data: a word"}
    assert with_text({"url": "data: a word"}, ("url",), "data: a") == {"url": "data: a"}
    assert "word" in found({"metadata": {"file_data": "word"}}).values()


def test_fields_beside_the_input_are_texts_in_both_dialects() -> None:
    beside = {"tools": [TOOL], "metadata": {"who": "me"}}
    prompt = {"id": "p", "variables": {"city": "Ulm", "file": {"type": "input_text", "text": "long"}}}
    request = asking(**beside, prompt=prompt, user="u", stream=False, temperature=1)
    places = {place.path: place for place in request.more_texts()}
    assert {"tools[0].description", "metadata.who", "prompt.variables.city", "prompt.variables.file.text"} <= set(
        places
    )
    assert not {"prompt.id", "user"} & set(places)
    places["prompt.variables.city"].replace("Rom")
    places["tools[0].description"].replace("sees")
    assert request.get("prompt")["variables"]["city"] == "Rom"
    assert [tool.description for tool in request.tools] == ["sees"]
    chat = chatting(**beside, response_format={"type": "json_schema", "json_schema": {"name": "n", "schema": SCHEMA}})
    said = [place.text for place in chat.more_texts()]
    assert {"looks", "me", "n", "where", "place"} <= set(said)
    assert next(iter(field_texts(chat, ("model", "metadata")))).path == "model"
    assert isinstance(next(iter(chat.more_texts())), FieldText)


@pytest.mark.parametrize("raw", [b'{"a":1e999}', b"[" * 100_000 + b"]" * 100_000, b'"\\ud800"'])
def test_what_cannot_be_read_is_refused(raw: bytes) -> None:
    with pytest.raises(BadRequest) as caught:
        texts_of(raw, "metadata")
    assert caught.value.param == "metadata"
