"""Learns which models of an upstream refuse to be asked for the count of tokens of a stream.

Servers that do not know `stream_options` leave it out of account or refuse the whole request. The profile can say so;
where it does not, one refusal is enough, if the same request is taken without it. What counts is only what Penstock
itself has put there: no client can teach others' streams to go uncounted.
"""

from __future__ import annotations

import logging
import re

import msgspec

from ...errors import UpstreamError
from ...upstream.client import UpstreamRequest
from ..provider import Amended
from .profile import ChatProfile

_log = logging.getLogger("penstock")

_REFUSING = (400, 422)
_NAMED = re.compile(r"\b(?:stream_options|include_usage)\b")
_OURS = {"include_usage": True}
_FIELD = "stream_options"
_MAX_MODELS = 1000

_decode = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


class UncountedStreams:
    """The models of one upstream, called `upstream` in the file, whose streams go without a count of tokens."""

    def __init__(self, upstream: str) -> None:
        self._upstream = upstream
        self._models: set[str] = set()

    def __contains__(self, model: str) -> bool:
        return model in self._models

    def profile(self, model: str, profile: ChatProfile) -> ChatProfile:
        """Returns the profile as what was learned makes it."""
        return msgspec.structs.replace(profile, stream_usage=False) if model in self._models else profile

    def amended(self, request: UpstreamRequest, model: str, error: UpstreamError) -> Amended | None:
        """Returns the request without the options, if it was for them that it was refused."""
        if error.upstream_status not in _REFUSING or not _NAMED.search(f"{error.param} {error.message}"):
            return None
        fields = _decode(request.body)
        options = fields.pop(_FIELD, None)
        if options is None or msgspec.json.decode(options) != _OURS:
            return None
        less = msgspec.structs.replace(request, body=msgspec.json.encode(fields))
        return Amended(less, lambda: self._remember(model))

    def _remember(self, model: str) -> None:
        if model not in self._models and len(self._models) < _MAX_MODELS:
            self._models.add(model)
            _log.info('upstream "%s" refuses stream_options for the model %r: no more asked', self._upstream, model)
