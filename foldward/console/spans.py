"""Spans of time as an operator writes them: 30m, 24h, 7d."""

UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
LONGEST_S = 3.2e10  # a thousand years: older than everything, and the database can still count it
