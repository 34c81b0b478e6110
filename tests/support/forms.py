"""The two forms of the classes that every delta or request goes through: in Python, and compiled where it was built."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import pytest

from proxy.api.responses.flow import Flow
from proxy.api.responses.numbers import Numbers
from proxy.compiled import PURE, is_compiled
from proxy.metrics.pulse import Pulse
from proxy.providers.chat.string_frame import StringFrame
from proxy.server.answer_form import AnswerForm
from proxy.server.chunk_writer import ChunkWriter
from proxy.server.header_lines import HeaderLines
from proxy.server.heads import KnownHead
from proxy.shortcut import Shortcut
from proxy.upstream.receiver import Receiver

CLASSES = (AnswerForm, ChunkWriter, Flow, HeaderLines, KnownHead, Numbers, Pulse, Receiver, Shortcut, StringFrame)
"""All of them, in the form that runs here."""


class Form:
    """One form: its classes by name."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __getattr__(self, name: str) -> Any:
        return PURE[name] if self.name == "pure" else getattr(import_module("proxy.native"), name)


FORMS = [Form("pure"), *([Form("compiled")] if is_compiled() else [])]

each_form = pytest.mark.parametrize("form", FORMS, ids=lambda form: form.name)
"""Runs a test with each form there is."""
