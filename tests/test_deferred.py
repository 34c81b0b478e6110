"""What is loaded only when it is used; and that a server loads nothing that its file does not name."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from proxy.deferred import Deferred, DeferredClasses, load
from proxy.providers.registry import SHIPPED
from stages import STAGES
from tests.support.fixtures import ROOT

LIBRARIES = (
    "ahocorasick", "aiobotocore", "azure", "botocore", "cryptography", "difflib", "google.auth", "jwt", "openai",
    "opentelemetry", "presidio_analyzer", "prometheus_client", "re2", "redis",
)  # fmt: skip
PARTS = (
    "proxy.auth.door", "proxy.auth.key_store", "proxy.config.describe", "proxy.config.schema", "proxy.guardrails",
    "proxy.counters.redis_counters", "proxy.inprocess", "proxy.ledger.ledger", "proxy.litellm", "proxy.logs.delivery",
    "proxy.logs.spans", "proxy.matching", "proxy.metrics.recorder", "proxy.providers.openai_compatible",
    "proxy.server.admin_keys", "proxy.stores.cold_bucket", "proxy.stores.redis_store", "proxy.upstream.proxied",
)  # fmt: skip
UNNAMED = {
    *LIBRARIES,
    *PARTS,
    *(place.partition(":")[0] for name, place in STAGES.items() if name not in ("log", "route", "stream-translate")),
    *(place.partition(":")[0] for kind, place in SHIPPED.items() if kind != "echo"),
}
"""What the file that ships does not name: together more than a tenth of what a worker has in memory."""

RICH = """
upstreams:
  up: {kind: anthropic, api_key: k}
  cloud: {kind: bedrock, region: us-east-1}
models: {m: [up/m, cloud/m]}
admin: {key: a-long-admin-key}
compat: litellm
stores:
  ledger: {kind: sqlite}
  counters: {kind: redis, url: redis://127.0.0.1:1}
  responses: {kind: redis, url: redis://127.0.0.1:1}
pipeline: [{rate-limit: {per: ip, requests_per_minute: 1}}, route, stream-translate, metrics]
"""
BUILD = """
import sys
import proxy.cli.serve
from proxy.config.loader import load_text
from proxy.serving import Serving, assemble, load_parts

config = load_text(sys.argv[1], sys.argv[2])
load_parts(config)
before = set(sys.modules)
Serving(config, assemble(config))
print(*sorted(name for name in set(sys.modules) - before if name.startswith(("proxy", "stages"))))
"""


def run(*arguments: str) -> str:
    environ = {name: value for name, value in os.environ.items() if not name.endswith(("_KEY", "_BASE", "_URL"))}
    command = [sys.executable, *arguments]
    return subprocess.run(
        command, check=True, timeout=120, cwd=ROOT, env=environ, stdout=subprocess.PIPE
    ).stdout.decode()


def test_it_stands_for_the_module() -> None:
    module = Deferred("json.decoder")
    assert module.JSONDecodeError is __import__("json").JSONDecodeError
    with pytest.raises(AttributeError):
        _ = module.nothing


def test_a_module_is_not_loaded_before_it_is_used() -> None:
    module = Deferred("there.is.none")
    with pytest.raises(ModuleNotFoundError):
        _ = module.anything
    with pytest.raises(ModuleNotFoundError):
        load(json, module)


def test_a_class_is_loaded_when_it_is_looked_up() -> None:
    classes: DeferredClasses[object] = DeferredClasses({"here": "json:JSONDecoder", "nowhere": "there.is.none:Class"})
    assert classes["here"] is json.JSONDecoder
    assert list(classes) == ["here", "nowhere"]
    assert "nowhere" in classes
    assert classes.get("other") is None
    with pytest.raises(ModuleNotFoundError):
        _ = classes["nowhere"]


def test_a_server_loads_what_its_file_names_before_it_serves_and_nothing_else(tmp_path: Path) -> None:
    shutil.copy(ROOT / "pipeline.yaml", tmp_path)
    found = json.loads(run("-m", "tests.support.loads", str(tmp_path / "pipeline.yaml")))
    assert found.pop("statuses") == ["200", "200", "400", "200", "200", "400"]
    every = {name for names in found.values() for name in names}
    assert {"proxy.providers.echo.provider", "stages.log", "proxy.stores.sqlite"} <= every
    assert sorted(UNNAMED & every) == []
    assert [name for name in found["started"] if name.startswith(("proxy", "stages"))] == []
    assert found["asked"] == []


def test_what_a_file_names_is_there_before_workers_are_forked(tmp_path: Path) -> None:
    assert run("-c", BUILD, RICH, str(tmp_path / "pipeline.yaml")).split() == []
