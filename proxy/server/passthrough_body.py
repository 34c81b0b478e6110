"""The body of a request that is passed on: whole where the model must be found in it, else piece by piece."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any, Protocol

from aiohttp import web

from ..errors import BadRequest, RequestTooLarge, UnsupportedMedia
from ..upstream.client import Upload
from .passthrough_form import FormFields, boundary_of
from .passthrough_request import TEXTS, RawRequest

_SMALL = 1024 * 1024


class Sending(Protocol):
    """A body on its way to an upstream."""

    @property
    def again(self) -> bool:
        """Whether it can be sent, or sent once more."""

    def to(self, request: RawRequest, model: str) -> bytes | Upload:
        """Returns the body for an upstream that has that name for the model ("": none is asked)."""


class NoBody:
    """Nothing."""

    again = True

    def to(self, request: RawRequest, model: str) -> bytes | Upload:
        """Returns no bytes."""
        return b""


class Json:
    """A body whose fields are the request's."""

    again = True

    def to(self, request: RawRequest, model: str) -> bytes | Upload:
        """Returns the fields that came, but for the model's name and what stages have changed."""
        return request.body(model)


class ClientBody:
    """What a client sends, piece by piece. `max_bytes` bound it all; no piece may take longer than `idle_s`.

    `piece` raises RequestTooLarge, and BadRequest for a body that is broken, cut or late (status 408).
    """

    def __init__(self, request: web.BaseRequest, max_bytes: int, idle_s: float) -> None:
        coding = request.headers.get("content-encoding", "identity").strip().lower()
        if coding not in ("", "identity"):
            raise UnsupportedMedia(
                f"Content encoding {coding!r} is not served here: send none.", code="unsupported_content_encoding"
            )
        self._request = request
        self._max = max_bytes
        self._idle_s = idle_s
        self._size = 0
        self._begun = False
        self.poured = False
        self.length = request.content_length
        if (self.length or 0) > max_bytes:
            raise self._too_large()

    async def piece(self) -> bytes:
        """Returns the next piece, b"" at the end."""
        request = self._request
        if not self._begun:
            self._begun = True
            if request.headers.get("expect", "").lower() == "100-continue" and request.transport is not None:
                request.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        try:
            async with asyncio.timeout(self._idle_s):
                data = await request.content.readany()
        except web.RequestPayloadError as error:
            raise BadRequest(f"The request body did not arrive whole: {error}", code="invalid_body") from None
        except TimeoutError:
            message = f"Nothing of the request body came for {self._idle_s:g} s."
            raise BadRequest(message, code="timeout", status=408) from None
        self._size += len(data)
        if self._size > self._max:
            raise self._too_large()
        return data

    async def pieces(self) -> AsyncIterator[bytes]:
        """Yields all that still comes; from then on it is `poured`."""
        self.poured = True
        while data := await self.piece():
            yield data

    def _too_large(self) -> RequestTooLarge:
        return RequestTooLarge(f"The request body is larger than {self._max} bytes (limits.upload).")


class Streamed:
    """A body that nobody looks into."""

    def __init__(self, body: ClientBody) -> None:
        self._body = body

    @property
    def again(self) -> bool:
        """Whether nothing of it was sent yet."""
        return not self._body.poured

    def to(self, request: RawRequest, model: str) -> bytes | Upload:
        """Returns the body as it comes."""
        return Upload(self._body.pieces(), self._body.length)


class Form:
    """A form of which all is known that matters; what is held of it, and the rest where it has not come yet."""

    def __init__(self, form: FormFields, rest: ClientBody | None) -> None:
        self._form = form
        self._rest = rest

    @property
    def again(self) -> bool:
        """Whether it is there whole, or nothing of it was sent yet."""
        return self._rest is None or not self._rest.poured

    @property
    def model(self) -> str | None:
        """The model that the form names."""
        return self._form.model

    @property
    def texts(self) -> list[tuple[str, str]]:
        """The fields that a model will read, by name, in their order."""
        return [(field.name, field.text) for field in self._form.fields if field.name in TEXTS]

    def to(self, request: RawRequest, model: str) -> bytes | Upload:
        """Returns the form with the upstream's name for the model, and with the texts as stages have left them."""
        held = self._form.written(model, self._changed(request))
        if self._rest is None:
            return held
        length = self._rest.length
        if length is not None:
            length += len(held) - len(self._form.held)
        return Upload(self._watched(held, self._rest, searched=request.searched), length)

    def _changed(self, request: RawRequest) -> dict[int, str]:
        """Returns the texts that are not what they were, by the index of their field. One that is gone stays."""
        values: dict[str, list[Any]] = {}
        for name in TEXTS:
            value = request.get(name)
            values[name] = list(value) if isinstance(value, list) else [value]
        changed: dict[int, str] = {}
        for index, field in enumerate(self._form.fields):
            left = values.get(field.name)
            text = left.pop(0) if left else None
            if isinstance(text, str) and text != field.text:
                changed[index] = text
        return changed

    async def _watched(self, held: bytes, rest: ClientBody, *, searched: bool) -> AsyncIterator[bytes]:
        """Yields what is held, then what still comes; raises BadRequest when that holds what comes too late."""
        rest.poured = True
        yield held
        watch = self._form.rest(searched=searched)
        async for piece in rest.pieces():
            watch.feed(piece)
            yield piece


async def read_form(body: ClientBody, content_type: str, max_held: int, *, model: str | None = None) -> Form:
    """Returns a form once its model is known and a file begins; a small one is read to its end, to be sent again.

    It need not name its model where that is `model`, whatever it says. Raises what ClientBody does, BadRequest for what
    is no form, and RequestTooLarge when the model did not come within `max_held` bytes.
    """
    form = FormFields(boundary_of(content_type), frozenset(TEXTS))
    small = body.length is not None and body.length <= _SMALL
    while data := await body.piece():
        if form.done:
            form.held += data
        else:
            form.feed(data)
        if form.in_file and (model or form.model) is not None and not small:
            return Form(form, body)
        if len(form.held) > max_held:
            message = f"The field 'model' did not come within {max_held} bytes (limits.body): send it before the files."
            raise RequestTooLarge(message)
    form.end()
    return Form(form, None)
