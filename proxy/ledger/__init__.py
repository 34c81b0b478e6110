"""The spend ledger: one row for each exchange that has ended, added up day by day."""
