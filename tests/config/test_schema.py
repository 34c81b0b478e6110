"""The JSON Schema: made from the structs, valid as draft 7, and of one mind with the loader."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest
from msgspec import inspect

from proxy.config.loader import load_text
from proxy.config.nodes import plain
from proxy.config.schema import of, schema
from proxy.config.types import Sources
from proxy.errors import ConfigError
from tests.support.config_nodes import node_of
from tests.support.fake_registry import PROVIDERS, STAGES

SCHEMA = schema(PROVIDERS, STAGES)
VALIDATOR = jsonschema.Draft7Validator(SCHEMA)
WRONG = Path(__file__).parent / "wrong"
NOT_OF_THE_SCHEMA = {
    # what a schema cannot say: YAML's own rules, the order of stages, names that refer to names, the environment
    "anchor_that_contains_itself", "anchor_that_is_not_there", "bracket_not_closed", "colon_in_a_value", "indentation",
    "key_set_twice", "merge_of_nothing", "nothing", "quote_not_closed", "star_without_quotes", "tab", "tag",
    "two_documents", "unquoted_shell_variable", "value_that_begins_with_an_at", "windows_path_in_double_quotes",
    "model_on_an_unknown_upstream", "module_not_found", "no_stage_that_routes", "nothing_to_do", "open_to_the_network",
    "required_stage_missing", "secret_as_a_shell_variable", "secret_from_an_unset_variable", "stage_named_twice",
    "wrong_order", "wrong_side", "address", "port_out_of_range", "wildcard_without_its_counterpart",
    "default_upstream",
}  # fmt: skip


def test_it_is_draft_7():
    jsonschema.Draft7Validator.check_schema(SCHEMA)


def test_nothing_stands_beside_a_reference():
    def walk(part: Any) -> None:
        if isinstance(part, dict):
            assert "$ref" not in part or len(part) == 1
            for inner in part.values():
                walk(inner)
        elif isinstance(part, list):
            for inner in part:
                walk(inner)

    walk(SCHEMA)


@pytest.mark.parametrize("path", sorted(WRONG.glob("*.yaml")), ids=lambda path: path.stem)
def test_it_refuses_what_the_loader_refuses(path: Path):
    if path.stem in NOT_OF_THE_SCHEMA:
        return
    text = path.read_text().partition("\n# expected:\n")[0]
    assert not VALIDATOR.is_valid(plain(node_of(text)))


RIGHT = """\
listen: 4000
workers: auto
limits: {body: 1MiB, drain: 30, max_requests: null}
upstreams:
  local: {kind: openai-compatible, base_url: http://127.0.0.1/v1, idle: 5 m, requires_env: NOPE, api_key: env:NOPE}
  echo: {kind: echo}
models:
  one: echo/one
  two: {use: echo/two}
  "three-*": [echo/*, {use: echo/b, weight: 0.5}]
pipeline:
  - auth: {keys: [a]}
  - rate-limit: {requests_per_minute: 5, window: 1h}
  - guardrail: {rules: [{match: words, words: [a], action: redact}, {match: regex, pattern: b}], by_model: {x: [y]}}
  - transform:
  - transform: {set: {a: {b: 1}}}
  - route: {}
  - stream-translate
"""


def test_it_accepts_what_the_loader_accepts():
    VALIDATOR.validate(plain(node_of(RIGHT)))
    assert load_text(RIGHT, "f", sources=Sources({}), providers=PROVIDERS, stages=STAGES).models


def test_a_stage_that_needs_settings_cannot_stand_bare():
    text = RIGHT.replace("- auth: {keys: [a]}", "- auth")
    assert not VALIDATOR.is_valid(plain(node_of(text)))
    with pytest.raises(ConfigError):
        load_text(text, "f", sources=Sources({}), providers=PROVIDERS, stages=STAGES)


def test_descriptions_and_defaults_are_in_it():
    stage = SCHEMA["definitions"]["stage.rate-limit"]
    assert stage["properties"]["window"] == {
        "type": ["string", "number"],
        "pattern": r"^\d+(\.\d+)?\s*(ms|s|m|h|d)$",
        "minimum": 0,
        "default": "1m",
        "description": "How far back is counted.",
    }
    assert stage["additionalProperties"] is False
    upstream = SCHEMA["definitions"]["upstream.openai-compatible"]
    assert upstream["properties"]["kind"] == {
        "const": "openai-compatible",
        "description": "Any server that speaks chat completions.",
    }
    assert upstream["required"] == ["kind", "base_url"]
    assert "requires_env" in upstream["properties"]


def test_a_kind_must_be_named_where_there_are_several():
    stores = SCHEMA["properties"]["stores"]["properties"]
    forms = stores["responses"]["anyOf"]
    assert {form["properties"]["kind"]["const"] for form in forms} >= {"sqlite", "memory", "redis"}
    assert all("kind" in form["required"] for form in forms)
    assert stores["keys"]["properties"]["kind"] == {"const": "sqlite"}
    for text in ("stores: {keys: {path: k.db}, ledger: {}}", "stores: {keys: {kind: sqlite}, ledger: {kind: sqlite}}"):
        whole = f"upstreams: {{e: {{kind: echo}}}}\nmodels: {{m: e/m}}\npipeline: [route]\n{text}\n"
        assert VALIDATOR.is_valid(plain(node_of(whole)))
        load_text(whole, "f", sources=Sources({}), providers=PROVIDERS, stages=STAGES)


class Tree(msgspec.Struct):
    children: tuple[Tree, ...] = ()
    pair: tuple[int, str] = (1, "a")
    tags: frozenset[str] = frozenset()


def test_types_that_no_stage_has_yet():
    found = of(inspect.type_info(Tree))["properties"]
    assert found["children"] == {"type": "array", "items": {}, "default": []}
    assert found["pair"]["items"] == [{"type": "integer"}, {"type": "string"}]
    assert (found["pair"]["minItems"], found["pair"]["maxItems"]) == (2, 2)
    assert found["tags"]["items"] == {"type": "string"}
