"""How many strategies stand where, and how large the database is."""

from __future__ import annotations

import os
import shutil
from typing import Any

from storage.reads._connection import Connected


class StandingReads(Connected):
    """Reading sums over all strategies, and sizes."""

    def standing(self) -> dict[str, dict[str, int]]:
        """{"ranks": {rank: n}, "verdicts": {verdict or "none": n}}: how many strategies stand at each."""
        ranks: dict[str, int] = {}
        verdicts: dict[str, int] = {}
        sql = "SELECT rank, coalesce(verdict, 'none'), count(*) FROM strategies GROUP BY 1, 2 ORDER BY 1, 2"
        for rank, verdict, count in self._all(sql):
            ranks[rank] = ranks.get(rank, 0) + count
            verdicts[verdict] = verdicts.get(verdict, 0) + count
        return {"ranks": ranks, "verdicts": dict(sorted(verdicts.items()))}

    def sizes(self) -> dict[str, Any]:
        """{"database_bytes", "wal_bytes", "free_bytes"}: the files, and what is free on their disk."""
        wal = self.path.with_name(self.path.name + "-wal")
        return {
            "database_bytes": os.path.getsize(self.path),
            "wal_bytes": os.path.getsize(wal) if wal.exists() else 0,
            "free_bytes": shutil.disk_usage(self.path.parent).free,
        }
