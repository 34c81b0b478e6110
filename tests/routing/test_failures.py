"""Kinds of failures, and what speaks against a deployment."""

from __future__ import annotations

import pytest

from proxy.errors import (
    BadRequest,
    ExchangeError,
    RateLimited,
    UpstreamCut,
    UpstreamGarbled,
    UpstreamStreamError,
    UpstreamTimeout,
    UpstreamUnreachable,
)
from proxy.routing.failures import counts, failure_of, may_help
from tests.support.routes import refused


@pytest.mark.parametrize(
    ("error", "kind", "against", "helps"),
    [
        (UpstreamUnreachable("x"), "unreachable", True, (True, True)),
        (UpstreamTimeout("x", phase="first_token"), "timeout", True, (True, True)),
        (UpstreamTimeout("x", phase="pool"), "timeout", False, (True, True)),
        (UpstreamCut("x"), "server_error", True, (True, True)),
        (UpstreamGarbled("x"), "server_error", True, (True, True)),
        (refused(429), "rate_limit", True, (True, True)),
        (refused(429, same=False, code="insufficient_quota"), "rate_limit", True, (False, True)),
        (refused(503), "server_error", True, (True, True)),
        (refused(401), None, False, (True, True)),
        (refused(502, same=False, code="upstream_auth"), "auth", True, (False, True)),
        (refused(404, same=False, code="model_not_found"), "not_found", False, (False, True)),
        (refused(400, same=False, elsewhere=False), None, False, (False, False)),
        (refused(400, code="context_length_exceeded"), "context_window", False, (False, False)),
        (UpstreamStreamError("x", code="context_length_exceeded", status=400), "context_window", False, (False, False)),
        (UpstreamStreamError("x", code="invalid_prompt", status=400), "content_policy", False, (False, False)),
        (UpstreamStreamError("x", status=429), "rate_limit", True, (True, True)),
        (UpstreamStreamError("x"), "server_error", True, (True, True)),
        (BadRequest("x"), None, False, (False, False)),
        (RateLimited("x"), None, False, (False, False)),
    ],
)
def test_what_an_error_means(error: ExchangeError, kind: str | None, against: bool, helps: tuple[bool, bool]) -> None:
    assert (failure_of(error), counts(error), may_help(error)) == (kind, against, helps)


@pytest.mark.parametrize(("status", "against"), [(401, True), (403, True), (404, False), (409, False), (500, True)])
def test_of_the_upstreams_own_status_only_some_count(status: int, against: bool) -> None:
    error = refused(502)
    error.upstream_status = status
    assert counts(error) is against
