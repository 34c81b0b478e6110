"""The functions of the package `proxy`: every provider whose key is in the environment, without a file."""

from __future__ import annotations

from ..config.loader import load_text
from .adhoc import AdHocService
from .penstock import Penstock
from .services import Services

_FILE = """\
upstreams: {echo: {kind: echo}}
models: {echo: [echo/echo], "echo-*": [echo/echo-*], "echo/*": [echo/*]}
stores: {responses: {kind: memory}}
pipeline: [route, stream-translate]
"""

EVERYTHING: Penstock = Penstock(Services(load_text(_FILE, "the functions of proxy"), AdHocService))
"""The pipeline behind the functions. Responses are kept in memory, for as long as the process lives."""
