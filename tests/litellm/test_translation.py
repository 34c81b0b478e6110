"""Whole configurations of LiteLLM's, and what becomes of each part."""

from __future__ import annotations

from typing import Any

import pytest

from proxy.litellm.source import source_of
from proxy.litellm.translation import Translated, translate

ONE = "model_list: [{model_name: m, litellm_params: {model: groq/x, api_key: k}}]\n"


def translated(text: str, **environ: str) -> Translated:
    return translate(source_of(ONE + text, "c").config, environ=environ, stages=("metrics",))


def remarks(done: Translated) -> list[str]:
    return [f"{note.weight} {note}" for note in done.notes.all]


def test_the_least_there_is() -> None:
    done = translated("")
    assert done.file == {
        "listen": "127.0.0.1:4000",
        "compat": "litellm",
        "upstreams": {
            "groq": {"kind": "openai-compatible", "base_url": "https://api.groq.com/openai/v1", "api_key": "k"}
        },
        "models": {"m": [{"use": "groq/x", "weight": 1}]},
        "stores": {"responses": {"kind": "sqlite", "path": "./penstock.db"}},
        "pipeline": [{"route": {"retries": 2}}, "stream-translate"],
    }
    assert remarks(done) == []


@pytest.mark.parametrize(
    ("text", "environ"), [("general_settings: {master_key: sk-1}", {}), ("", {"LITELLM_MASTER_KEY": "sk-1"})]
)
def test_the_master_key_opens_the_door_to_others(text: str, environ: dict[str, str]) -> None:
    done = translated(text, **environ)
    key = "env:LITELLM_MASTER_KEY" if environ else "sk-1"
    assert (done.file["listen"], done.file["admin"]) == ("0.0.0.0:4000", {"key": key})
    assert done.file["pipeline"][0] == {"auth": {"keys": ["store", {"id": "master", "key": key}]}}
    assert "sk-1" not in str(done.notes.all)


def test_options_of_the_router_may_stand_in_two_places() -> None:
    done = translated(
        "litellm_settings: {num_retries: 4, request_timeout: 20, allowed_fails: 1}\n"
        "router_settings: {num_retries: 0, cooldown_time: '5', model_group_alias: {n: m}}\n"
    )
    assert done.file["pipeline"][0] == {"route": {"retries": 0, "cooldown": 5.0, "cooldown_after": 2}}
    assert done.file["upstreams"]["groq"]["timeouts"] == {"connect": 5.0, "first_byte": 20.0, "idle": 20.0}
    assert set(done.file["models"]) == {"m", "n"}


@pytest.mark.parametrize(
    ("said", "url"),
    [
        ("redis_host: h", "redis://h:6379/0"),
        (
            "redis_host: os.environ/H, redis_port: 1, redis_password: 'p@:', redis_ssl: true",
            "rediss://:p%40%3A@in-env:1/0",
        ),
        ("redis_url: os.environ/R", "os.environ/R"),
    ],
)
def test_limits_are_counted_in_redis(said: str, url: str) -> None:
    done = translated(f"router_settings: {{{said}}}", H="in-env")
    assert done.file["stores"]["counters"] == {"kind": "redis", "url": url}


def test_callbacks_become_stages_and_cold_storage_a_store() -> None:
    done = translated(
        "litellm_settings:\n"
        "  callbacks: [s3_v2, langfuse]\n"
        "  success_callback: prometheus\n"
        "  cold_storage_custom_logger: s3_v2\n"
        "  s3_callback_params: {s3_bucket_name: os.environ/B, s3_path: logs/, s3_region_name: eu-west-1,\n"
        "    s3_aws_access_key_id: a, s3_aws_secret_access_key: os.environ/S, s3_use_team_prefix: true}\n",
        B="bucket",
        S="hush",
    )
    reach = {"region": "eu-west-1", "access_key_id": "a", "secret_access_key": "os.environ/S"}
    assert done.file["stores"]["cold"] == {"kind": "s3", "bucket": "bucket", "prefix": "logs/responses", **reach}
    assert done.file["pipeline"][-2:] == [
        {"log": {"to": "s3://bucket/logs", "content": "redacted", "s3": reach}},
        "metrics",
    ]
    assert [one.partition(" (")[0] for one in remarks(done)] == [
        "lost litellm_settings.s3_callback_params.s3_use_team_prefix: is not carried over",
        "lost litellm_settings.callbacks: the callback 'langfuse' is not served here",
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("router_setings: {}", 'lost router_setings: unknown option (did you mean "router_settings"?)'),
        ("litellm_settings: {cache: true}", "lost litellm_settings.cache: answers are not cached"),
        (
            "general_settings: {databse_url: x}",
            'lost general_settings.databse_url: unknown option (did you mean "database_url"?)',
        ),
        (
            "general_settings: {alerting: [slack]}",
            "lost general_settings.alerting: is not carried over (nobody is alerted: watch the metrics)",
        ),
        (
            "guardrails: [{guardrail_name: g}]",
            "lost guardrails: is not carried over (write a stage guardrail for each)",
        ),
        (
            "litellm_settings: {cold_storage_custom_logger: gcs}",
            "lost litellm_settings.cold_storage_custom_logger: responses can be kept in S3 only (write s3_v2)",
        ),
        (
            "litellm_settings: {callbacks: [s3_v2]}",
            "lost litellm_settings.callbacks: s3_callback_params names no bucket (add s3_bucket_name)",
        ),
        ("router_settings: {num_retries: many}", "mistake router_settings.num_retries: Expected `int`, got `str`"),
        (
            "router_settings: {redis_host: os.environ/GONE}",
            "mistake router_settings.redis_host: environment variable GONE is not set (set GONE)",
        ),
        (
            "litellm_settings: {request_timeout: soon}",
            "mistake litellm_settings.request_timeout: expected a number of seconds",
        ),
        ("litellm_settings: {callbacks: true}", "mistake litellm_settings.callbacks: expected a list"),
        ("credential_list: 1", "mistake credential_list: expected a list"),
        ("router_settings: []", "mistake router_settings: expected a mapping (write key: value)"),
    ],
)
def test_what_is_not_carried_over_is_said(text: str, said: str) -> None:
    assert said in remarks(translated(text))


def test_what_is_switched_off_is_not_missed() -> None:
    done = translated("litellm_settings: {cache: false}\ngeneral_settings: {alerting: [], enable_jwt_auth: false}\n")
    assert remarks(done) == []


def test_the_environment_of_the_file_and_its_limits() -> None:
    done = translated(
        "environment_variables: {HOST: 10.0.0.1}\n"
        "general_settings: {max_request_size_mb: 2, global_max_parallel_requests: 9}\n"
        "router_settings: {redis_host: os.environ/HOST}\n"
    )
    assert done.file["stores"]["counters"]["url"] == "redis://10.0.0.1:6379/0"
    assert done.file["limits"] == {"body": "2MiB", "max_requests": 9}


def test_a_star_alone_is_everything_there_is_a_key_for() -> None:
    entry: dict[str, Any] = {"model_name": "*", "litellm_params": {"model": "*"}}
    done = translate({"model_list": [entry]}, environ={}, stages=())
    assert (done.file["providers"], done.file["models"]) == ("env", {})
