"""`penstock stages`: the list, one stage, the pages of all."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from proxy.cli import main, stages
from proxy.errors import ConfigError, Problem
from tests.support.fake_registry import STAGES
from tests.support.fixtures import ROOT


@pytest.fixture
def fakes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stages, "installed_stages", lambda: dict(sorted(STAGES.items())))


@pytest.mark.usefixtures("fakes")
def test_the_list(capsys: pytest.CaptureFixture[str]):
    assert main(["stages"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "auth              Lets in who has a key."
    assert lines[3] == "rate-limit        Refuses a request when its key has asked too often."
    assert len(lines) == len(STAGES)


EXPLAINED = """\
rate-limit

Refuses a request when its key has asked too often. Counts are exact.

The counts are kept in memory.

settings
  per                  ip or key         key  Whose requests are counted together.
  requests_per_minute  whole number > 0       Requests a minute, at most.
  window               duration          1m   How far back is counted.

where it may stand
  below auth
  once

what it sees
  looks at requests
  may answer them itself
  does not touch the stream
  settles at the end

example
  - rate-limit:
      per: key
      requests_per_minute: 600
"""


@pytest.mark.usefixtures("fakes")
def test_one_stage(capsys: pytest.CaptureFixture[str]):
    assert main(["stages", "rate-limit"]) == 0
    assert capsys.readouterr().out == EXPLAINED


@pytest.mark.usefixtures("fakes")
def test_a_stage_without_settings(capsys: pytest.CaptureFixture[str]):
    assert main(["stages", "log"]) == 0
    assert "\nsettings\n  none\n" in capsys.readouterr().out


@pytest.mark.usefixtures("fakes")
def test_an_unknown_stage(capsys: pytest.CaptureFixture[str]):
    assert main(["stages", "ratelimit"]) == 2
    assert capsys.readouterr() == ("", 'unknown stage "ratelimit"   (did you mean "rate-limit"?)\n')


@pytest.mark.usefixtures("fakes")
def test_json_for_programs(capsys: pytest.CaptureFixture[str]):
    assert main(["stages", "log", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["name"] == "log"
    assert main(["stages", "--json"]) == 0
    assert [stage["name"] for stage in json.loads(capsys.readouterr().out)] == sorted(STAGES)


PAGE = """\
# rate-limit

Refuses a request when its key has asked too often. Counts are exact.

The counts are kept in memory.

```yaml
pipeline:
  - rate-limit:
      per: key
      requests_per_minute: 600
```

## Settings

| setting | type | default | what it does |
|---|---|---|---|
| `per` | `ip` or `key` | `key` | Whose requests are counted together. |
| `requests_per_minute` | whole number > 0 |  | Requests a minute, at most. |
| `window` | duration | `1m` | How far back is counted. |

## Where it may stand

- below auth
- once

## What it sees

- looks at requests
- may answer them itself
- does not touch the stream
- settles at the end
"""


@pytest.mark.usefixtures("fakes")
def test_pages(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    folder = tmp_path / "docs" / "stages"
    assert main(["stages", "--docs", str(folder)]) == 0
    assert sorted(path.stem for path in folder.iterdir()) == sorted(STAGES)
    assert (folder / "rate-limit.md").read_text() == PAGE
    assert "There is nothing to set." in (folder / "log.md").read_text()
    assert capsys.readouterr().out == f"{len(STAGES)} pages written to {folder}\n"


def test_a_broken_package_is_told(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
    def broken():
        raise ConfigError([Problem("package", 1, 1, "broken")])

    monkeypatch.setattr(stages, "installed_stages", broken)
    assert main(["stages"]) == 1
    assert capsys.readouterr() == ("", "package:1:1: broken\n")


def test_the_pages_in_the_repository_are_the_ones_that_are_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """To write them again: penstock stages --docs docs/stages."""
    assert main(["stages", "--docs", str(tmp_path)]) == 0
    written = {path.name: path.read_text("utf-8") for path in tmp_path.iterdir()}
    committed = {path.name: path.read_text("utf-8") for path in (ROOT / "docs" / "stages").glob("*.md")}
    assert committed == written
