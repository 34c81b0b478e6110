"""The Codex CLI doing scripted runs in its three manners, on a model that only speaks chat completions.

The manner follows from the model's entry in Codex's catalog: an unknown model gets function tools, one like gpt-5.5
also a freeform `apply_patch` and tool search, a later one ("lite") a namespace in the input whose custom tool `exec`
runs JavaScript.
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.support.serving import Served, serving

PATCH = "*** Begin Patch\n*** Add File: note.txt\n+alpha TOKEN\n+beta\n*** End Patch\n"


def call(name: str, **arguments: Any) -> str:
    """Returns a step that calls a function tool."""
    return f"[[[step call {name} {json.dumps(arguments)}]]]"


def raw(name: str, text: str) -> str:
    """Returns a step that calls a custom tool with raw input."""
    return f"[[[step call {name} {json.dumps(text)}]]]"


RUNS = {
    "unknown": [
        call("exec_command", cmd="echo seen-$((6*7)) > note.txt"),
        call("exec_command", cmd="cat note.txt"),
        "[[step say The end is near.]]",
    ],
    "freeform": [
        call("exec_command", cmd="echo seen-$((6*7))"),
        raw("apply_patch", PATCH),
        "[[[step call exec_command " + json.dumps({"cmd": "cat note.txt"}) + "]]]"
        " [[[call exec_command " + json.dumps({"cmd": "wc -l note.txt"}) + "]]]",
        "[[step say The end is near.]]",
    ],
    "lite": [
        raw("exec", "const r = await tools.exec_command({cmd: 'echo seen-$((6*7))'}); text(r);"),
        raw("exec", f"text(await tools.apply_patch({json.dumps(PATCH)}));"),
        raw("exec", "text(await tools.exec_command({cmd: 'cat note.txt'}))"),
        "[[step say The end is near.]]",
    ],
}


def codex(clients: Path) -> str:
    """Returns the path of the program."""
    return str(clients / "node_modules" / ".bin" / "codex")


def write_home(clients: Path, home: Path, url: str, manner: str, *settings: str) -> None:
    """Writes the configuration, and for models that Codex should know a catalog with an entry named `echo`.

    `settings` are more lines about the provider.
    """
    lines = ['model = "echo"', 'model_provider = "penstock"']
    if manner != "unknown":
        env = {**os.environ, "CODEX_HOME": str(home)}
        shown = subprocess.run(
            [codex(clients), "debug", "models"], env=env, capture_output=True, text=True, timeout=60, check=True
        )
        wanted = manner == "lite"
        entries = json.loads(shown.stdout)["models"]
        entry = next(one for one in entries if one["use_responses_lite"] is wanted and one["visibility"] == "list")
        entry["slug"] = "echo"
        (home / "catalog.json").write_text(json.dumps({"models": [entry]}))
        lines.append(f'model_catalog_json = "{home / "catalog.json"}"')
    lines += [
        "[model_providers.penstock]",
        'name = "Penstock"',
        f'base_url = "{url}"',
        'env_key = "PENSTOCK_KEY"',
        'wire_api = "responses"',
        "request_max_retries = 0",
        "stream_max_retries = 0",
        *settings,
    ]
    (home / "config.toml").write_text("\n".join(lines) + "\n")


FILE = """\
upstreams: {echo: {kind: echo}}
models: {"echo*": ["echo/echo*"], echo: [echo/echo]}
pipeline: [route, stream-translate, {log: {to: ./exchanges.jsonl}}]
"""


def run_codex(clients: Path, home: Path, work: Path, manner: str) -> list[dict[str, Any]]:
    """Returns the events of a scripted run, after checking what it must have done."""
    done = subprocess.run(
        [
            codex(clients),
            "exec",
            "--json",
            "--skip-git-repo-check",
            "--dangerously-bypass-approvals-and-sandbox",
            " ".join(RUNS[manner]),
        ],
        cwd=work,
        env={**os.environ, "CODEX_HOME": str(home), "PENSTOCK_KEY": "none", "HOME": str(home)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    events = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    items = [event["item"] for event in events if event["type"] == "item.completed"]
    assert items[-1]["type"] == "agent_message"
    assert items[-1]["text"] == "The end is near."
    expected = "seen-42\n" if manner == "unknown" else "alpha TOKEN\nbeta\n"
    assert (work / "note.txt").read_text() == expected
    assert "unsupported call" not in done.stdout + done.stderr
    assert "aborted" not in done.stdout
    usage = next(event["usage"] for event in events if event["type"] == "turn.completed")
    assert usage["input_tokens"] > 0
    return events


@pytest.fixture
def places(tmp_path: Path) -> tuple[Path, Path]:
    """Returns a home for Codex's configuration and a folder for it to work in."""
    home, work = tmp_path / "home", tmp_path / "work"
    home.mkdir()
    work.mkdir()
    return home, work


@pytest.mark.parametrize("manner", list(RUNS))
def test_a_scripted_run(clients: Path, served: Served, places: tuple[Path, Path], manner: str) -> None:
    home, work = places
    write_home(clients, home, served.url, manner)
    run_codex(clients, home, work, manner)


@pytest.mark.parametrize("store", ["sqlite", "none"])
@pytest.mark.parametrize("manner", list(RUNS))
def test_a_scripted_run_over_a_websocket(
    clients: Path, places: tuple[Path, Path], tmp_path: Path, manner: str, store: str
) -> None:
    """One connection for the whole run: a warm-up, then turns that say only what is new, with `store: false`."""
    home, work = places
    (tmp_path / "server").mkdir()
    config = FILE + f"stores: {{responses: {{kind: {store}}}}}\n"
    with serving(config=config, directory=tmp_path / "server") as served:
        write_home(clients, home, served.url, manner, "supports_websockets = true")
        events = run_codex(clients, home, work, manner)
    assert not [event for event in events if event["type"] == "error"]
    lines = (tmp_path / "server" / "exchanges.jsonl").read_text().splitlines()
    warm_up, *turns = [json.loads(line) for line in lines]
    assert (warm_up["outcome"], warm_up["attempts"]) == ("completed", [])  # only a WebSocket has warm-ups
    assert len(turns) == len(RUNS[manner])
    assert {turn["outcome"] for turn in turns} == {"completed"}
