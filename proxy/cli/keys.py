"""Make the keys that clients use, list, change, rotate and revoke them.

They are kept, as hashes, in the file that stores.keys of pipeline.yaml names; with auth: {keys: store} a running server
sees every change within a second. A key is printed once, when it is made or rotated.
"""

from __future__ import annotations

import argparse
import getpass
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from ..auth.attributes import KeyAttributes, attributes_of, plain_attributes
from ..auth.door import STORE
from ..auth.key_store import KeyRecord, KeyRefused, KeyStore, KeyStoreFailed, UnknownKey
from ..auth.shown import shown
from ..auth.store_config import KeysConfig
from ..config.decode import decode
from ..config.nodes import Mapping, compose, plain, read
from ..config.problems import Problems
from ..config.types import Duration, Mistake, Sources
from ..errors import ConfigError
from .report import exit_code, print_json, tell

_FILE = "pipeline.yaml"
_NAMES = ("owner", "team", "user", "expires")
_LISTS = {"model": "models", "tag": "tags"}
_LIMITS = ("requests_per_minute", "tokens_per_minute", "parallel", "usd", "window")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the commands, and their arguments."""
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    create = commands.add_parser("create", help="make a key, and print it")
    create.add_argument("--id", help="what it is called in logs and limits (default: one that is made up)")
    _add_attributes(create)
    listed = commands.add_parser("list", help="show all keys")
    listed.add_argument("--all", action="store_true", help="those that do not work any more, too")
    shown_one = commands.add_parser("show", help="show one key, and what was done to it")
    change = commands.add_parser("change", help="change what is given; an empty text takes it away")
    _add_attributes(change)
    rotate = commands.add_parser("rotate", help="give a key a new secret, and print it")
    rotate.add_argument("--grace", default="0s", metavar="TIME", help="how long the old one still works (default: 0s)")
    revoke = commands.add_parser("revoke", help="have a key not work any more, for good")
    for one in (shown_one, change, rotate, revoke):
        one.add_argument("id", metavar="ID")
    for one in (create, listed, shown_one, change, rotate, revoke):
        one.add_argument("--config", default=_FILE, metavar="FILE", help=f"default: {_FILE}")
        one.add_argument("--json", action="store_true", help="print the result as JSON")


def _add_attributes(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--owner", help="whose key it is; keys of one owner share responses")
    parser.add_argument("--team", help="for limits and budgets per team")
    parser.add_argument("--user", help="for limits and budgets per user")
    parser.add_argument("--model", action="append", metavar="NAME", help="a model it may use; may be repeated")
    parser.add_argument("--tag", action="append", metavar="WORD", help="a word of your own; may be repeated")
    parser.add_argument("--expires", metavar="WHEN", help="90d, 2030-12-31 or 2030-12-31T18:00:00Z")
    parser.add_argument("--requests-per-minute", type=int, metavar="N")
    parser.add_argument("--tokens-per-minute", type=int, metavar="N")
    parser.add_argument("--parallel", type=int, metavar="N", help="requests at the same time")
    parser.add_argument("--usd", type=float, metavar="N", help="dollars in a window")
    parser.add_argument("--window", metavar="TIME", help="how long that is, or day, week or month (default: 30d)")


def run(args: argparse.Namespace) -> int:
    """Does what is asked with the store; returns 1 when it could not be done."""
    try:
        path, file = _read(args.config)
        for advice in _advice(file, args):
            print(f"penstock keys: {args.config}: {advice}", file=sys.stderr)
        return _COMMANDS[args.command](KeyStore(path), args)
    except ConfigError as error:
        tell(error.problems)
        return exit_code(error)
    except (KeyStoreFailed, UnknownKey, KeyRefused, msgspec.ValidationError) as error:
        print(f"penstock keys: {error}", file=sys.stderr)
    except Mistake as mistake:
        print(f"penstock keys: {mistake.what}   ({mistake.fix})", file=sys.stderr)
    return 1


def _create(store: KeyStore, args: argparse.Namespace) -> int:
    attributes = attributes_of(_given(args, {}), time.time())
    return _print_secret(args, *store.create(args.id, attributes, _who()))


def _list(store: KeyStore, args: argparse.Namespace) -> int:
    now = time.time()
    records = [one for one in store.every() if args.all or one.status(now) == "active"]
    if args.json:
        print_json([shown(one, now) for one in records])
        return 0
    rows = [("ID", "KEY", "STATUS", "OWNER", "TEAM", "USER", "EXPIRES", "MODELS")]
    for one in records:
        said = one.attributes
        rows.append(
            (
                one.id,
                one.prefix + "...",
                one.status(now),
                said.owner or "-",
                said.team or "-",
                said.user or "-",
                said.expires or "never",
                " ".join(said.models) or "all",
            )
        )
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        print("  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip())
    return 0


def _show(store: KeyStore, args: argparse.Namespace) -> int:
    record, changes = store.get(args.id), store.changes(args.id)
    if args.json:
        print_json({**shown(record, time.time()), "changes": changes})
        return 0
    _print(record)
    for one in changes:
        print(f"{_moment(one.at)}  {one.what} by {one.who}")
    return 0


def _change(store: KeyStore, args: argparse.Namespace) -> int:
    def changed(present: KeyAttributes) -> KeyAttributes:
        return attributes_of(_given(args, plain_attributes(present)), time.time())

    return _print_record(args, store.change(args.id, changed, _who()))


def _rotate(store: KeyStore, args: argparse.Namespace) -> int:
    return _print_secret(args, *store.rotate(args.id, Duration.parse(args.grace, Sources()), _who()))


def _revoke(store: KeyStore, args: argparse.Namespace) -> int:
    return _print_record(args, store.revoke(args.id, _who()))


_COMMANDS: dict[str, Callable[[KeyStore, argparse.Namespace], int]] = {
    "create": _create,
    "list": _list,
    "show": _show,
    "change": _change,
    "rotate": _rotate,
    "revoke": _revoke,
}


def _given(args: argparse.Namespace, present: dict[str, Any]) -> dict[str, Any]:
    """Returns the attributes with what the command line says; an empty text takes one away."""
    fields = dict(present)
    for name in _NAMES:
        if (value := getattr(args, name)) is not None:
            fields[name] = value or None
    for option, name in _LISTS.items():
        if (values := getattr(args, option)) is not None:
            fields[name] = [one for one in values if one]
    limits = dict(fields.get("limits") or {})
    limits.update({name: value for name in _LIMITS if (value := getattr(args, name)) is not None})
    if limits:
        limits = {name: value for name, value in limits.items() if value not in ("", 0, None)}
        fields["limits"] = limits if limits.keys() - {"window"} else None
    return fields


def _read(config: str) -> tuple[Path, Any]:
    """Returns the file of the keys, and what pipeline.yaml says, which need not be right: its secrets may be elsewhere.

    Raises ConfigError when it does not say where the keys are.
    """
    problems = Problems(config)
    root = compose(read(Path(config), config), problems)
    stores = root.entries.get("stores") if isinstance(root, Mapping) else None
    entry = stores.value.entries.get("keys") if stores is not None and isinstance(stores.value, Mapping) else None
    found = KeysConfig() if entry is None else decode(entry.value, KeysConfig, "stores.keys", problems, Sources())
    problems.stop()
    assert found is not None
    return found.file(Path(config).parent), None if root is None else plain(root)


def _advice(file: Any, args: argparse.Namespace) -> Iterator[str]:
    """Yields what in the file keeps a key from doing what is asked of it."""
    stages = dict(_stages(file))
    keys = stages.get("auth", {}).get("keys")
    if keys != STORE and not (isinstance(keys, list) and STORE in keys):
        yield "no stage asks for the keys of the store   (write auth: {keys: store})"
    for stage, units in (("rate-limit", _LIMITS[:3]), ("budget", _LIMITS[3:4])):
        limited = any(getattr(args, unit, None) for unit in units)
        if limited and not any(name == stage and _per_key(settings) for name, settings in _stages(file)):
            yield f"limits of a key hold only where a stage counts it   (add {stage} with per: key)"


def _stages(file: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yields the names of the stages and their settings, as far as they can be understood."""
    pipeline = file.get("pipeline") if isinstance(file, dict) else None
    for entry in pipeline if isinstance(pipeline, list) else ():
        for name, settings in entry.items() if isinstance(entry, dict) else ():
            if isinstance(settings, dict):
                yield name, settings


def _per_key(settings: dict[str, Any]) -> bool:
    return settings.get("per", "key") in ("key", ["key"])


def _who() -> str:
    try:
        return f"cli:{getpass.getuser()}"
    except (OSError, KeyError):  # a user without a name
        return "cli"


def _print_secret(args: argparse.Namespace, record: KeyRecord, secret: str) -> int:
    if args.json:
        print_json({**shown(record, time.time()), "key": secret})
        return 0
    print(secret)
    print(f"This is key {record.id}. It is not shown again: keep it now.", file=sys.stderr)
    if record.old_until is not None and record.old_until > time.time():
        print(f"The old one works until {_moment(record.old_until)}.", file=sys.stderr)
    return 0


def _print_record(args: argparse.Namespace, record: KeyRecord) -> int:
    if args.json:
        print_json(shown(record, time.time()))
    else:
        _print(record)
    return 0


def _print(record: KeyRecord) -> None:
    for name, value in shown(record, time.time()).items():
        if name == "object":
            continue
        if name == "limits":
            value = " ".join(f"{unit}={most}" for unit, most in value.items() if most is not None)
        elif name.endswith(("_at", "_until")):
            value = _moment(value)
        elif isinstance(value, (list, tuple)):
            value = " ".join(value)
        print(f"{name:13} {value}")


def _moment(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
