"""`penstock check`: problems to stderr, one line when there are none, exit codes."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from proxy.cli import main
from proxy.config import environment, loader
from proxy.errors import UpstreamUnreachable
from proxy.providers.registry import kinds
from proxy.providers.vendors import of_prefix
from tests.support.fake_registry import PROVIDERS, STAGES

RIGHT = """\
upstreams:
  echo: {kind: echo}
  openai: {kind: openai, api_key: env:PENSTOCK_TEST_KEY, requires_env: PENSTOCK_TEST_KEY}
models:
  echo: echo/echo
  both: [echo/a, openai/b]
  "gpt-*": openai/gpt-*
pipeline:
  - route
"""
REASON = "environment variable PENSTOCK_TEST_KEY is not set"


@pytest.fixture(autouse=True)
def fakes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(loader, "installed_stages", lambda: STAGES)
    monkeypatch.setattr(loader.providers_registry, "kinds", lambda: PROVIDERS)
    monkeypatch.delenv("PENSTOCK_TEST_KEY", raising=False)
    monkeypatch.chdir(tmp_path)


def check(text: str, *options: str) -> int:
    Path("pipeline.yaml").write_text(text)
    return main(["check", *options])


def test_a_right_file_gives_one_line(capsys: pytest.CaptureFixture[str]):
    assert check(RIGHT) == 0
    printed = capsys.readouterr()
    assert printed.err == ""
    assert printed.out == (
        f"pipeline.yaml is right: 1 upstream, 2 models, 1 stage; skipped: upstream openai ({REASON}), model gpt-*\n"
    )


def test_nothing_is_skipped_with_the_variable(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PENSTOCK_TEST_KEY", "sk-planted")
    assert check(RIGHT) == 0
    assert capsys.readouterr().out == "pipeline.yaml is right: 2 upstreams, 3 models, 1 stage\n"


def test_what_would_be_served_with_a_key(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(environment, "VENDORS", [of_prefix("groq"), of_prefix("openai"), of_prefix("azure")])
    monkeypatch.setattr(loader.providers_registry, "kinds", kinds)
    for name in ("OPENAI_API_KEY", "GROQ_API_KEY", "AZURE_API_KEY", "AZURE_OPENAI_API_KEY", "AZURE_API_BASE"):
        monkeypatch.delenv(name, raising=False)
    assert check("providers: env\nupstreams: {e: {kind: echo}}\nmodels: {e: [e/echo]}\npipeline: [route]\n") == 0
    assert capsys.readouterr().out == (
        "pipeline.yaml is right: 1 upstream, 1 model, 1 stage; more is served with: GROQ_API_KEY, OPENAI_API_KEY, "
        "AZURE_API_KEY with AZURE_API_BASE\n"
    )


def test_problems_go_to_stderr(capsys: pytest.CaptureFixture[str]):
    assert check(RIGHT.replace("kind: echo", "kind: ecko").replace("- route", "- rout")) == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err == (
        'pipeline.yaml:2:16: upstreams.echo: unknown kind "ecko"   (did you mean "echo"?)\n'
        'pipeline.yaml:9:5: unknown stage "rout"   (did you mean "route"?)\n'
    )


def test_warnings_do_not_fail(capsys: pytest.CaptureFixture[str]):
    assert check(RIGHT + "  - guardrail: {by_model: {a: [b]}}\n") == 0
    printed = capsys.readouterr()
    assert printed.err.startswith('pipeline.yaml:10:5: warning: "guardrail" stands below "route" (line 9): ')
    assert printed.out.startswith("pipeline.yaml is right: ")


def test_a_missing_file(capsys: pytest.CaptureFixture[str]):
    assert main(["check", "no.yaml"]) == 2
    assert capsys.readouterr().err == "no.yaml:1:1: there is no such file   (check the path)\n"


def test_json_for_programs(capsys: pytest.CaptureFixture[str]):
    assert check(RIGHT, "--json") == 0
    assert json.loads(capsys.readouterr().out) == {
        "ok": True,
        "problems": [],
        "file": "pipeline.yaml",
        "upstreams": ["echo"],
        "models": ["echo", "both"],
        "pipeline": ["route"],
        "skipped": [
            {"kind": "upstream", "name": "openai", "reason": REASON},
            {"kind": "model", "name": "gpt-*", "reason": REASON},
        ],
    }
    assert check(RIGHT.replace("- route", "- rout"), "--json") == 1
    printed = capsys.readouterr()
    assert printed.err == ""
    assert json.loads(printed.out) == {
        "ok": False,
        "file": "pipeline.yaml",
        "problems": [
            {
                "file": "pipeline.yaml",
                "line": 9,
                "column": 5,
                "what": 'unknown stage "rout"',
                "fix": 'did you mean "route"?',
                "warning": False,
            }
        ],
    }


class Unreachable(PROVIDERS["openai"]):  # type: ignore[misc]
    """A provider behind a broken line."""

    async def models(self) -> list[str]:
        """Raises what it always does."""
        raise UpstreamUnreachable("upstream api.test:443 cannot be reached: name not known")


def test_upstreams_are_tried_only_when_that_is_asked(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("PENSTOCK_TEST_KEY", "sk-planted")
    monkeypatch.setattr(loader.providers_registry, "kinds", lambda: {**PROVIDERS, "openai": Unreachable})
    assert check(RIGHT) == 0
    capsys.readouterr()
    assert check(RIGHT, "--connect") == 1
    printed = capsys.readouterr()
    what = "upstreams.openai: upstream api.test:443 cannot be reached: name not known"
    assert printed.err == f"pipeline.yaml:3:3: {what}   (check base_url)\n"
    assert re.fullmatch(
        r"pipeline\.yaml is right: 2 upstreams, 3 models, 1 stage\nupstreams\.echo: reached in 0\.\d\d s\n", printed.out
    )


def test_json_of_a_trial(capsys: pytest.CaptureFixture[str]):
    assert check(RIGHT, "--connect", "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["ok"], told["problems"]) == (True, [])
    (echo,) = told["reached"]
    assert echo.pop("seconds") < 20
    assert echo == {"upstream": "echo", "ok": True}
