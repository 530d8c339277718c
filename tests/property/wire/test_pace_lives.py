"""Whatever is sent, judged and flooded, in whatever order: a link goes on reading, and never too fast."""

from hypothesis import given, settings
from hypothesis import strategies as st

from foldward.wire.links._pace import AHEAD, FIRST, Pace
from foldward.wire.links._port import TICK_MS

READ_S = 0.00002  # one message


class World:
    """A port, its receiver, and connections that always have junk waiting. Time is ours."""

    def __init__(self, per_s: float, flooding: int, judging_s: float) -> None:
        self.pace = Pace(per_s)
        self.pace.worked_off(0, 0)  # this receiver will report
        self.flooding = flooding
        self.judging_s = judging_s
        self.now = 100.0
        self.turn = 0
        self.answers: list[float] = []  # when each comes
        self.handed: list[tuple[float, bool]] = []  # when it is judged, and whether it is junk
        self.good = self.junk = 0
        self.longest = 0

    def ask(self, after_s: float) -> None:
        self.pace.sent(1, self.now)
        self.answers.append(self.now + after_s)
        self.answers.sort()

    def step(self) -> None:
        """One turn of the port: read what there is room for, then wait until there may be more."""
        room = self.pace.room(self.now)
        self.longest = max(self.longest, len(self.handed) + room)
        read = 0
        while read < room and self._read():
            read += 1
            self.now += READ_S
        if room:
            until = self.now + 0.001 if read < room else self.now  # what comes wakes it
        else:
            until = self.now + min(TICK_MS / 1000, self.pace.wait_s())
        self._judge(max(until, self.now + 1e-6))

    def _read(self) -> bool:
        """The next message as ZMQ gives it: the connections in turn, those that have nothing left out."""
        for _ in range(self.flooding + 1):
            self.turn = (self.turn + 1) % (self.flooding + 1)
            if self.turn or (self.answers and self.answers[0] <= self.now):
                self.good += not self.turn
                self.junk += self.turn > 0
                if not self.turn:
                    self.answers.pop(0)
                self.handed.append((self.now + self.judging_s, self.turn > 0))
                self.pace.told()
                return True
        return False

    def _judge(self, until: float) -> None:
        """The receiver works off what it has, and may wake the port before its time."""
        while self.handed and self.handed[0][0] <= until:
            at = self.handed[0][0]
            batch = [junk for due, junk in self.handed if due <= at]
            del self.handed[: len(batch)]
            if self.pace.worked_off(len(batch), sum(batch)):
                self.now = max(self.now, at)
                return
        self.now = until


@settings(max_examples=150, deadline=None)
@given(
    per_s=st.sampled_from([0.5, 10.0, 80.0, 500.0, 5000.0]),
    flooding=st.integers(0, 4),
    judging_s=st.sampled_from([0.0, 0.0002, 0.003, 0.1]),
    answers=st.lists(st.tuples(st.floats(0.0, 3.0), st.floats(0.0, 2.0)), min_size=1, max_size=12),
)
def test_every_answer_is_read_and_junk_no_faster_than_allowed(
    per_s: float, flooding: int, judging_s: float, answers: list[tuple[float, float]]
) -> None:
    world = World(per_s, flooding, judging_s)
    for pause_s, after_s in answers:
        resume = world.now + pause_s
        while world.now < resume:
            world.step()
        world.ask(after_s)
    due = max([world.now, *world.answers])
    while world.good < len(answers):
        world.step()
        # At worst every connection's junk stands in front of each, and a batch was being saved for. A port
        # that is not woken waits a quarter of a second.
        patience_s = 0.1 + (60 + 2 * flooding * len(answers)) / per_s + 20 * judging_s
        assert world.now < due + patience_s
    assert world.junk <= FIRST + 8 + max(8, per_s / 10) + per_s * (world.now - 100.0) + world.good
    assert world.longest <= AHEAD
