"""Keys of a running server of two workers: made, rotated and revoked from outside, by command and by /admin/keys."""

from __future__ import annotations

import json
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.issuer import AUDIENCE, Issuer
from tests.support.serving import PENSTOCK, ROOT, Served, serving

ADMIN = "planted-admin-key-0123456789"
CONFIG = """\
workers: 2
upstreams: {{echo: {{kind: echo}}}}
models: {{echo: [echo/echo]}}
stores: {{responses: {{kind: sqlite, path: kept.db}}}}
admin: {{key: env:PENSTOCK_ADMIN_KEY}}
pipeline:
  - auth:
      keys: store
      jwt: {{issuer: "{issuer}", audience: {audience}, keys_file: ./issuer.json, claims: {{owner: org}}}}
  - rate-limit: {{per: key, requests_per_minute: 10000}}
  - route
  - stream-translate
  - log: {{to: ./exchanges.jsonl}}
"""
"""Twenty connections meet both workers, but for one time in 500,000."""


def ask(method: str, url: str, key: str, body: Any = None) -> tuple[int, str]:
    """Sends a request over a connection of its own; returns status and body."""
    data = None if body is None else json.dumps(body).encode()
    headers = {"authorization": f"Bearer {key}", "content-type": "application/json"}
    try:
        with urllib.request.urlopen(urllib.request.Request(url, data, headers, method=method), timeout=30) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def answers(served: Served, key: str) -> list[tuple[int, str]]:
    """Returns what twenty connections are answered, one after the other."""
    told = [ask("GET", f"{served.url}/models", key) for _ in range(20)]
    return [(status, json.loads(text).get("error", {}).get("message", "")) for status, text in told]


def soon(served: Served, key: str, right: Callable[[list[tuple[int, str]]], bool]) -> None:
    """Waits a second, which is as long as a change may take, then sees that every worker knows of it."""
    time.sleep(1.0)  # the promise is about time
    told = answers(served, key)
    assert right(told), told


def penstock(directory: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*PENSTOCK, "keys", *arguments],
        cwd=directory,
        env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=True,
    )


def test_12_3_no_key_is_shown_and_every_worker_knows_of_changes_within_a_second(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
):
    issuer = Issuer()
    (tmp_path / "issuer.json").write_bytes(issuer.key_set())
    (tmp_path / "pipeline.yaml").write_text(CONFIG.format(issuer=issuer.name, audience=AUDIENCE))
    with serving(directory=tmp_path, env={"PENSTOCK_ADMIN_KEY": ADMIN}) as served:
        admin = served.url.removesuffix("/v1") + "/admin"
        first = penstock(tmp_path, "create", "--id", "ci", "--requests-per-minute", "5000").stdout.strip()
        made = json.loads(ask("POST", f"{admin}/keys", ADMIN, {"id": "api", "owner": "research"})[1])
        soon(served, first, lambda told: told == [(200, "")] * 20)
        assert answers(served, made["key"]) == [(200, "")] * 20
        second = penstock(tmp_path, "rotate", "ci", "--grace", "1h").stdout.strip()
        assert ask("DELETE", f"{admin}/keys/api", ADMIN)[0] == 200
        soon(served, made["key"], lambda told: told == [(401, "The API key 'api' has been revoked.")] * 20)
        assert answers(served, first) == answers(served, second) == [(200, "")] * 20
        token = issuer.token(org="research")
        for key in (first, second, token, made["key"], "pk-" + "w" * 40):
            for body in ({"model": "echo", "input": f"my key is {key}"}, {"model": key, "input": "hi"}, {}):
                ask("POST", f"{served.url}/responses?key={key}", key, body)
        penstock(tmp_path, "revoke", "ci")
        soon(served, second, lambda told: {status for status, _ in told} == {401})
        listed = penstock(tmp_path, "list", "--all", "--json").stdout
        shown = [ask("GET", admin + path, ADMIN)[1] for path in ("/keys", "/keys/ci", "/limits")]
    said = capfd.readouterr()
    written = "\n".join([listed, *shown, said.out, said.err, *served.said])
    secrets = (first, second, made["key"], token, ADMIN)
    assert [secret for secret in secrets if secret[9:] in written] == []
    log = (tmp_path / "exchanges.jsonl").read_text()
    assert log.count("\n") >= 15
    assert [secret for secret in secrets if secret[9:] in log] == []
    assert "audit: who=admin what=keys.revoke key=api" in said.err
    data = b"".join(path.read_bytes() for path in tmp_path.glob("penstock-keys.db*"))
    assert [secret for secret in secrets if secret[9:].encode() in data] == []
