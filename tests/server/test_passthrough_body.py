"""Bodies of what is passed on: bounded, in time, and once more where that can be."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

import pytest
from aiohttp import web

from proxy.errors import BadRequest, RequestTooLarge, UnsupportedMedia
from proxy.server.passthrough_body import ClientBody, Json, NoBody, Streamed, read_form
from proxy.server.passthrough_request import RawRequest
from proxy.upstream.client import Upload

FORM = "multipart/form-data; boundary=b"
MODEL = b'--b\r\ncontent-disposition: form-data; name="model"\r\n\r\nm\r\n'
END = b"--b--\r\n"


def part(size):
    return b'--b\r\ncontent-disposition: form-data; name="f"; filename="f"\r\n\r\n%b\r\n' % bytes(size)


class Transport:
    def __init__(self):
        self.written = b""

    def write(self, data):
        self.written += data


class Content:
    """Gives these pieces, one a call; raises what is an error; then ends, or says nothing more."""

    def __init__(self, pieces, *, ends):
        self.pieces = list(pieces)
        self.ends = ends

    async def readany(self):
        if not self.pieces and not self.ends:
            await asyncio.Event().wait()
        piece = self.pieces.pop(0) if self.pieces else b""
        if isinstance(piece, Exception):
            raise piece
        return piece


def request(*pieces, headers=None, length=None, ends=True):
    """Returns as much of a request as a body needs."""
    content = Content(pieces, ends=ends)
    return SimpleNamespace(content=content, headers=headers or {}, content_length=length, transport=Transport())


def body(*pieces, max_bytes=10_000_000, idle_s=5, **more):
    return ClientBody(request(*pieces, **more), max_bytes, idle_s)


async def joined(sent):
    assert isinstance(sent, Upload)
    return b"".join([piece async for piece in sent.pieces])


async def test_pieces_come_as_they_are():
    one = Streamed(body(b"abc", b"def", length=6))
    assert one.again
    sent = one.to(RawRequest.naming(None), "")
    assert (sent.length, one.again) == (6, True)
    assert await joined(sent) == b"abcdef"
    assert not one.again


async def test_too_much_is_refused_at_once_or_when_it_comes():
    with pytest.raises(RequestTooLarge, match=r"limits\.upload"):
        body(length=11, max_bytes=10)
    late = body(b"x" * 11, max_bytes=10)
    with pytest.raises(RequestTooLarge):
        await late.piece()


async def test_silence_is_not_waited_for():
    silent = body(ends=False, idle_s=0.01)
    with pytest.raises(BadRequest) as caught:
        await silent.piece()
    assert (caught.value.status, caught.value.code) == (408, "timeout")


async def test_a_body_that_breaks():
    broken = body(web.RequestPayloadError("cut"), ends=False)
    with pytest.raises(BadRequest, match="did not arrive whole"):
        await broken.piece()


async def test_a_client_that_asks_first_is_told_to_go_on_once_the_body_is_wanted():
    asked = request(b"abc", headers={"expect": "100-Continue"})
    one = ClientBody(asked, 10, 5)
    assert asked.transport.written == b""
    assert await one.piece() == b"abc"
    assert await one.piece() == b""
    assert asked.transport.written == b"HTTP/1.1 100 Continue\r\n\r\n"


async def test_coded_bodies_are_not_taken():
    with pytest.raises(UnsupportedMedia):
        body(headers={"content-encoding": "gzip"})
    body(headers={"content-encoding": "identity"})


def test_json_goes_up_with_the_upstreams_name_for_the_model():
    request = RawRequest.parse(b'{"model": "m"}')
    assert (Json().again, Json().to(request, "up")) == (True, b'{"model":"up"}')
    assert (NoBody().again, NoBody().to(request, "up")) == (True, b"")


async def test_a_small_form_can_be_sent_again():
    raw = part(1000) + MODEL + part(10) + END
    form = await read_form(body(raw[:500], raw[500:], length=len(raw)), FORM, 1_000_000)
    assert (form.model, form.again) == ("m", True)
    request = RawRequest.naming("m")
    assert form.to(request, "up") == raw.replace(b"\r\n\r\nm\r\n", b"\r\n\r\nup\r\n")
    assert form.to(request, "") == raw


@pytest.mark.parametrize("known", [True, False])
async def test_a_large_form_goes_on_behind_its_model(known):
    raw = MODEL + part(2_000_000) + END
    pieces = [raw[at : at + 60_000] for at in range(0, len(raw), 60_000)]
    form = await read_form(body(*pieces, length=len(raw) if known else None), FORM, 100_000)
    assert (form.model, form.again) == ("m", True)
    sent = form.to(RawRequest.naming("m"), "upstream-model")
    expected = raw.replace(b"\r\n\r\nm\r\n", b"\r\n\r\nupstream-model\r\n")
    assert sent.length == (len(expected) if known else None)
    assert await joined(sent) == expected
    assert not form.again


async def test_a_form_without_a_model_is_read_to_its_end():
    raw = part(2_000_000) + END
    form = await read_form(body(raw[:1_000_000], raw[1_000_000:], b"\r\n"), FORM, 3_000_000)
    assert (form.model, form.again) == (None, True)
    assert form.to(RawRequest.naming(None), "") == raw + b"\r\n"


async def test_a_model_that_does_not_come_in_time():
    pieces = [part(2_000_000)[at : at + 60_000] for at in range(0, 2_000_000, 60_000)]
    with pytest.raises(RequestTooLarge, match="send it before the files"):
        await read_form(body(*pieces), FORM, 500_000)


async def test_texts_of_a_form_go_up_as_stages_have_left_them():
    def field(name, value):
        return MODEL.replace(b'"model"', b'"%b"' % name).replace(b"\r\nm\r\n", b"\r\n%b\r\n" % value)

    raw = field(b"prompt", b"a secret") + MODEL + field(b"prompt", b"b") + part(2_000_000) + END
    pieces = [raw[at : at + 60_000] for at in range(0, len(raw), 60_000)]
    form = await read_form(body(*pieces, length=len(raw)), FORM, 100_000)
    assert form.texts == [("prompt", "a secret"), ("prompt", "b")]
    request = RawRequest.of_form(form.model, form.texts)
    next(iter(request.texts())).replace("a [hidden]")
    expected = raw.replace(b"a secret", b"a [hidden]").replace(b"\r\nm\r\n", b"\r\nup\r\n")
    sent = form.to(request, "up")
    assert sent.length == len(expected)
    assert await joined(sent) == expected
    request.drop("prompt")
    assert form.to(request, "").length == len(raw)


@pytest.mark.parametrize("searched", [True, False])
async def test_a_text_that_comes_behind_a_large_file_was_not_looked_at(searched):
    late = MODEL.replace(b'"model"', b'"prompt"')
    raw = MODEL + part(2_000_000) + late + END
    pieces = [raw[at : at + 60_000] for at in range(0, len(raw), 60_000)]
    form = await read_form(body(*pieces), FORM, 100_000)
    request = RawRequest.of_form(form.model, form.texts)
    request.searched = searched
    sent = joined(form.to(request, "m"))
    if not searched:
        assert await sent == raw
        return
    with pytest.raises(BadRequest, match="send it before the files"):
        await sent


@pytest.mark.parametrize("size", [10, 2_000_000])
async def test_a_form_need_not_name_a_model_that_is_known(size):
    raw = part(size) + END
    pieces = [raw[at : at + 60_000] for at in range(0, len(raw), 60_000)]
    form = await read_form(body(*pieces, length=len(raw)), FORM, 100_000, model="m")
    sent = form.to(RawRequest.of_form("m", form.texts), "up")
    data = sent if isinstance(sent, bytes) else await joined(sent)
    assert data == MODEL.replace(b"\r\nm\r\n", b"\r\nup\r\n").replace(b"content-d", b"Content-D") + raw
    if size > 10:
        assert sent.length == len(data)


async def test_a_form_that_ends_too_early():
    with pytest.raises(BadRequest, match="not whole"):
        await read_form(body(part(10)[:-5]), FORM, 500_000)


@pytest.mark.parametrize("size", [10, 2_000_000])
async def test_no_other_model_reaches_the_upstream(size):
    raw = MODEL + part(size) + MODEL.replace(b"\r\nm\r\n", b"\r\nn\r\n") + END
    pieces = [raw[at : at + 60_000] for at in range(0, len(raw), 60_000)]

    async def sent():
        form = await read_form(body(*pieces, length=len(raw)), FORM, 100_000)
        await joined(form.to(RawRequest.naming("m"), "up"))

    with pytest.raises(BadRequest, match="names a model twice"):
        await sent()
