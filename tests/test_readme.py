"""The examples of the README are run as they stand."""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import shlex
import subprocess
import tomllib
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from proxy.cli import main
from proxy.config.loader import load_text
from proxy.providers.registry import kinds
from stages import STAGES
from tests.support.programs import needs_curl
from tests.support.serving import ROOT, serving

README = (ROOT / "README.md").read_text()
BLOCKS = [(match[1], match[2]) for match in re.finditer(r"```(\w*)\n(.*?)```", README, re.DOTALL)]
HOME = "http://127.0.0.1:4000/v1"


def blocks(language: str, holding: str = "") -> list[str]:
    """Returns the code blocks of a language that hold a text."""
    return [text for name, text in BLOCKS if name == language and holding in text]


@needs_curl
def test_the_curl_line() -> None:
    [line] = blocks("sh", "curl")
    with serving() as served:
        done = subprocess.run(
            ["sh", "-c", line.replace(HOME, served.url)], capture_output=True, text=True, timeout=20, check=True
        )
    shown = next(text for name, text in BLOCKS if not name)
    for event in re.findall(r"^event: (\S+)$", shown, re.MULTILINE):
        assert f"event: {event}\n" in done.stdout
    for delta in re.findall(r'"sequence_number":\d+,.*?"delta":"[^"]*"', shown):
        number, text = re.match(r'"sequence_number":(\d+),.*"delta":("[^"]*")', delta).groups()  # type: ignore[union-attr]
        assert re.search(rf'"sequence_number":{number},[^\n]*"delta":{re.escape(text)}', done.stdout)


@pytest.mark.parametrize("code", blocks("python", "from openai import OpenAI"))
def test_the_sdk_lines(code: str) -> None:
    said = io.StringIO()
    with serving() as served, contextlib.redirect_stdout(said):
        exec(compile(code.replace(HOME, served.url), "README.md", "exec"), {})
    assert said.getvalue() == "Hello, river.\n"


def test_the_codex_recipe() -> None:
    [text] = blocks("toml")
    recipe = tomllib.loads(text)
    provider = recipe["model_providers"][recipe["model_provider"]]
    assert provider["base_url"] == HOME
    assert provider["wire_api"] == "responses"


@pytest.mark.parametrize("text", blocks("yaml"))
def test_the_files(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in re.findall(r"env:(PENSTOCK_\w+|OPENAI_API_KEY)", text):
        monkeypatch.setenv(name, "0123456789abcdef0123456789abcdef")
    assert load_text(text, "README.md").warnings == ()


def test_the_functions() -> None:
    [code] = blocks("python", "from proxy import responses")
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        exec(compile(code, "README.md", "exec"), {})
    assert said.getvalue() == "Hello, river."


@needs_curl
def test_the_stage_of_ones_own(tmp_path: Path) -> None:
    [code] = blocks("python", "class CountWords")
    (tmp_path / "count_words.py").write_text(code)
    config = (
        "upstreams: {echo: {kind: echo}}\nmodels: {echo: [echo/echo]}\n"
        "pipeline: [route, stream-translate, count_words:CountWords]\n"
    )
    with serving(config=config, directory=tmp_path) as served:
        line = blocks("sh", "curl")[0].replace(HOME, served.url)
        subprocess.run(["sh", "-c", line], capture_output=True, timeout=20, check=True)
        assert served.process.stdout is not None
        assert "echo completed 2\n" in iter(served.process.stdout.readline, "")


def test_the_page_on_stages_of_ones_own(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "own-stages.md").read_text()
    code, config = (re.findall(rf"```{language}\n(.*?)```", page, re.DOTALL)[0] for language in ("python", "yaml"))
    (tmp_path / "brief_answers.py").write_text(code)
    with serving(config=config, directory=tmp_path) as served:

        def ask(stream: bool, **headers: str) -> tuple[str | None, bytes]:
            body = json.dumps({"model": "echo", "input": "Hello, river.", "stream": stream}).encode()
            request = urllib.request.Request(
                f"{served.url}/responses", body, {"content-type": "application/json", **headers}
            )
            with urllib.request.urlopen(request, timeout=20) as response:
                return response.headers["x-brief"], response.read()

        for stream in (True, False):
            told, body = ask(stream)
            assert (told, b"river" in body) == ("10", True)
        with pytest.raises(urllib.error.HTTPError) as refused:
            ask(False, **{"x-essay": "yes"})
        assert b"No essays here." in refused.value.read()
        assert served.process.stdout is not None
        lines = iter(served.process.stdout.readline, "")
        assert [next(line for line in lines if line.startswith("completed")) for _ in range(2)] == (
            ["completed long 13\n"] * 2
        )


def test_the_commands_exist() -> None:
    targets = re.findall(r"^(\w[\w-]*):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    for target in re.findall(r"\bmake ([\w-]+)", README):
        assert target in {*targets, "test-clients"}
    for command in re.findall(r"penstock (\w+)", "\n".join(blocks("sh"))):
        assert (ROOT / "proxy" / "cli" / f"{command}.py").exists()


def test_the_commands_take_their_options(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    secret = "0123456789abcdef0123456789abcdef"
    environment = dict.fromkeys(("PENSTOCK_ADMIN_KEY", "OPENAI_API_KEY"), secret)
    for name in environment:
        monkeypatch.setenv(name, secret)
    config = blocks("yaml", "penstock-keys.db")[0].replace("workers: auto", "workers: 1")
    with serving("--host", "127.0.0.1", config=config, directory=tmp_path, env=environment) as served:
        asked = urllib.request.Request(f"{served.url}/models")
        with pytest.raises(urllib.error.HTTPError, match="401"):
            urllib.request.urlopen(asked, timeout=20)
    [lines] = blocks("sh", "penstock keys create")
    for line in lines.splitlines():
        words = shlex.split(line, comments=True)
        said = io.StringIO()
        with contextlib.redirect_stdout(said):
            assert main(words[1:]) == 0
        assert said.getvalue()


def rows(heading: str) -> list[str]:
    """Returns the names that the table under a heading begins its rows with."""
    section = README.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    return re.findall(r"^\| `([\w-]+)` \|", section, re.MULTILINE)


def test_the_stages_are_the_shipped_ones() -> None:
    shown = rows("Stages")
    assert sorted(shown) == sorted(STAGES)


def test_the_upstreams_are_the_shipped_ones() -> None:
    assert set(rows("Upstreams")) == set(kinds())


def test_the_links_lead_somewhere() -> None:
    for target in re.findall(r"\]\(([^)#:]+)\)", README):
        assert os.path.exists(ROOT / target), target
