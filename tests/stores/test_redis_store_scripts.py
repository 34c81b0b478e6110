"""The scripts keep to the keys that are named: one hash tag, one beginning."""

from __future__ import annotations

import re

from proxy.stores import redis_store_scripts

SCRIPTS = {name: text for name, text in vars(redis_store_scripts).items() if name.isupper() and name[0] != "_"}


def test_every_key_begins_with_the_one_that_is_given() -> None:
    assert len(SCRIPTS) == 8
    for name, text in SCRIPTS.items():
        for key in re.findall(r"redis\.call\('[A-Z]+', ([^,)]+)", text):
            assert key.startswith(("base ..", "item_key(")), (name, key)


def test_a_part_of_an_owner_is_no_owner() -> None:
    assert "'i:' .. #owner .. ':' .. owner .. ':' .. item" in SCRIPTS["PUT"]
