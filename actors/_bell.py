"""One alarm a key in a second, however often its cause comes; the next says how many it stands for. Pure.

The Notifier sends equal keys once in five minutes, but it writes each into the human log: under a flood that
would be hundreds of lines a second, each as dear as the letter that it tells of.
"""

from __future__ import annotations

import msgspec

from actors._effects import Alarm, Effects

ALARM_S = 1.0


class Bell:
    """Times are `clock.now()` seconds. Keys are few: what may vary belongs into the text."""

    def __init__(self) -> None:
        self._rung: dict[str, float] = {}
        self._held: dict[str, tuple[int, Alarm]] = {}

    def ring(self, alarm: Alarm, now: float) -> Effects:
        """The alarm, or nothing yet."""
        count, _ = self._held.get(alarm.key, (0, alarm))
        self._held[alarm.key] = (count + 1, alarm)
        return self._out(alarm.key, now)

    def tick(self, now: float) -> Effects:
        """What was held back long enough."""
        return [effect for key in list(self._held) for effect in self._out(key, now)]

    def _out(self, key: str, now: float) -> Effects:
        last = self._rung.get(key)
        if last is not None and 0.0 <= now - last < ALARM_S:
            return []
        self._rung[key] = now
        count, alarm = self._held.pop(key)
        if count == 1:
            return [alarm]
        return [msgspec.structs.replace(alarm, body=f"{alarm.body} (and {count - 1} more like it)")]
