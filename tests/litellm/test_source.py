"""LiteLLM's files and the places in them."""

from __future__ import annotations

from pathlib import Path

import pytest

from proxy.errors import ConfigError, ConfigMissing
from proxy.litellm.notes import Note
from proxy.litellm.source import read_source, source_of

MAIN = """\
include: [more.yaml, ../a/main.yaml]
model_list:
  - model_name: a
    litellm_params: {model: x}
router_settings: {num_retries: 1}
litellm_settings:
  fallbacks: [{a: [b]}]
"""
MORE = """\
model_list:
  - model_name: b
    litellm_params:
      model: y
general_settings: {master_key: k}
"""


def test_includes_are_put_in_and_each_remark_knows_its_file(tmp_path: Path) -> None:
    folder = tmp_path / "a"
    folder.mkdir()
    (folder / "main.yaml").write_text(MAIN)
    (folder / "more.yaml").write_text(MORE)
    source = read_source(folder / "main.yaml")
    assert [one["model_name"] for one in source.config["model_list"]] == ["a", "b"]
    assert source.config["general_settings"] == {"master_key": "k"}

    def where(*path: str | int) -> tuple[str, int, int]:
        problem = source.problem(Note("lost", path, "w", "f"))
        return Path(problem.file).name, problem.line, problem.column

    assert where("model_list", 0, "litellm_params", "model") == ("main.yaml", 4, 22)
    assert where("model_list", 1, "litellm_params", "model") == ("more.yaml", 4, 7)
    assert where("model_list", 1, "litellm_params", "gone") == ("more.yaml", 3, 5)
    assert where("router_settings", "num_retries") == ("main.yaml", 5, 19)
    assert where("router_settings", "fallbacks", 0) == ("main.yaml", 7, 15)
    assert where("general_settings", "master_key") == ("more.yaml", 5, 20)
    assert where() == ("main.yaml", 1, 1)


def test_what_is_no_configuration(tmp_path: Path) -> None:
    with pytest.raises(ConfigMissing):
        read_source(tmp_path / "none.yaml")
    with pytest.raises(ConfigError, match="expected model_list and settings"):
        source_of("- a\n", "x")
    with pytest.raises(ConfigError, match="a"):
        source_of("a: 1\na: 2\n", "x")
