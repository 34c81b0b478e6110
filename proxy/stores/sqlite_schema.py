"""The tables of the database file, as they are now and as they became so.

`entries` are numbered in the order of their puts, and no number is given twice. `item_ids` is a JSON list of the ids
that stand in `items`. `cost` is in dollars, a decimal number written as it is told. `holder` names who works on an
entry that is not finished. `logs` are the event logs of entries: they end before their entries do, and may outlive
them for a while.

How many entries there are, of how many bytes with their logs, is known without counting: `all_entries` and `all_bytes`
of the newest one say what was ever put, `gone_entries` and `gone_bytes` of `totals` what was ever removed. So a put
changes no page for it. `last`, `entries` and `bytes` of `totals` are the newest entry's numbers when something was
removed last: the newest itself may have gone. `file` is a number that this file alone has.

`cold` has what is to be in the cold store too, or is: entries by their number, `state` as in sqlite_cold, `since` when
they were put. An entry whose body is there alone has the size 0 and an empty body here, and counts neither as an entry
nor as bytes. `cold_gone` has what is still to be removed there, not before `due`; `again` says that it is to be removed
once more, later. `cold_mover` has the holder that moves entries there.
"""

from __future__ import annotations

VERSION = 4
APPLICATION = 0x50454E53  # "PENS"

_LOGS = """
CREATE TABLE logs (entry INTEGER PRIMARY KEY, expires_at REAL NOT NULL, body BLOB NOT NULL);
CREATE INDEX logs_by_expiry ON logs (expires_at);
CREATE INDEX entries_by_holder ON entries (holder) WHERE holder IS NOT NULL;
"""

_COLD = """
CREATE TABLE cold (entry INTEGER PRIMARY KEY, state INTEGER NOT NULL, since REAL NOT NULL);
CREATE INDEX cold_by_state ON cold (state, since);
CREATE TABLE cold_gone (
  id TEXT NOT NULL, owner TEXT NOT NULL, due REAL NOT NULL, again INTEGER NOT NULL, PRIMARY KEY (id, owner)
) WITHOUT ROWID;
CREATE INDEX cold_gone_by_due ON cold_gone (due);
CREATE TABLE cold_mover (holder TEXT NOT NULL);
"""

SCHEMA = f"""
BEGIN IMMEDIATE;
CREATE TABLE entries (
  seq INTEGER PRIMARY KEY,
  id TEXT NOT NULL,
  owner TEXT NOT NULL,
  finished INTEGER NOT NULL,
  size INTEGER NOT NULL,
  all_entries INTEGER,
  all_bytes INTEGER,
  item_ids BLOB NOT NULL,
  created_at REAL NOT NULL,
  expires_at REAL NOT NULL,
  status TEXT NOT NULL,
  model TEXT NOT NULL,
  parent TEXT,
  deployment TEXT,
  cost TEXT,
  holder TEXT,
  body BLOB NOT NULL
);
CREATE UNIQUE INDEX entries_by_id ON entries (id);
CREATE INDEX entries_by_expiry ON entries (expires_at);
CREATE TABLE items (id TEXT NOT NULL, entry INTEGER NOT NULL, PRIMARY KEY (id, entry)) WITHOUT ROWID;
CREATE TABLE totals (
  file INTEGER NOT NULL,
  last INTEGER NOT NULL,
  entries INTEGER NOT NULL,
  bytes INTEGER NOT NULL,
  gone_entries INTEGER NOT NULL,
  gone_bytes INTEGER NOT NULL
);
INSERT INTO totals VALUES (%d, 0, 0, 0, 0, 0);
{_LOGS}
{_COLD}
PRAGMA application_id = {APPLICATION};
PRAGMA user_version = {VERSION};
COMMIT;
"""
"""Makes all tables; `%d` stands for the file's number."""

MIGRATIONS = {
    # Version 1 did not know who works on an entry. Whoever wrote one that is not finished is gone: "" is nobody.
    1: f"""
BEGIN IMMEDIATE;
ALTER TABLE entries ADD COLUMN holder TEXT;
ALTER TABLE entries ADD COLUMN all_entries INTEGER;
ALTER TABLE entries ADD COLUMN all_bytes INTEGER;
ALTER TABLE totals ADD COLUMN gone_entries INTEGER NOT NULL DEFAULT 0;
ALTER TABLE totals ADD COLUMN gone_bytes INTEGER NOT NULL DEFAULT 0;
UPDATE entries SET holder = '' WHERE NOT finished;
{_LOGS}
PRAGMA user_version = 2;
COMMIT;
""",
    # Version 2 did not know what an entry has cost.
    2: """
BEGIN IMMEDIATE;
ALTER TABLE entries ADD COLUMN cost TEXT;
PRAGMA user_version = 3;
COMMIT;
""",
    # Version 3 knew no cold store.
    3: f"""
BEGIN IMMEDIATE;
{_COLD}
PRAGMA user_version = 4;
COMMIT;
""",
}
"""What makes the next version of each one."""
