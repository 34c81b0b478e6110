"""No message of Penstock's own shows a secret, not even in a traceback."""

from __future__ import annotations

import io
import logging

from proxy.logs.diagnostics import CleanFormatter, log_to
from proxy.redact import protect


def test_messages_and_tracebacks_are_clean() -> None:
    protect("planted-secret-of-the-file")
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(CleanFormatter("%(levelname)s %(message)s"))
    log = logging.Logger("of this test")
    log.addHandler(handler)
    try:
        raise ValueError("cannot use planted-secret-of-the-file at https://me:hunter2hunter2@host/")
    except ValueError as error:
        log.error("with %s failed", "sk-planted0123456789", exc_info=error)
    written = stream.getvalue()
    assert written.startswith("ERROR with *** failed\nTraceback")
    assert "ValueError: cannot use *** at https://***@host/" in written
    assert "planted-secret" not in written
    assert "hunter2" not in written


def test_somebody_elses_choice_stays() -> None:
    before = list(logging.getLogger().handlers)
    log_to(io.StringIO())  # pytest has its own
    assert logging.getLogger().handlers == before
