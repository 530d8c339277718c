"""A real supervisor against a model of OTP's: any sequence of ends and calls leaves the same children."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from toys import Forest, boom, eventually, leave

from supervision import (
    AlreadyPresent,
    AlreadyStarted,
    NotFound,
    Restart,
    Running,
    Strategy,
    supervisor,
)

IDS = "abcd"
ACTIONS = ("crash", "leave", "terminate", "restart", "delete", "start")


class Model:
    """What OTP's supervisor would hold: id → (restart, running), in start order, and incarnation counts."""

    def __init__(self, strategy, kinds):
        self.strategy = strategy
        self.kinds = dict(zip(IDS, kinds, strict=True))
        self.children = dict.fromkeys(IDS, True)
        self.starts = dict.fromkeys(IDS, 1)

    def up(self, id):
        self.children[id] = True
        self.starts[id] += 1

    def end(self, id, abnormal):
        kind = self.kinds[id]
        self.children[id] = False
        if kind is Restart.TEMPORARY:
            del self.children[id]
        elif kind is Restart.PERMANENT or abnormal:
            order = list(self.children)
            if self.strategy is Strategy.ONE_FOR_ONE:
                group = [id]
            elif self.strategy is Strategy.ONE_FOR_ALL:
                group = order
            else:
                group = order[order.index(id) :]
            for member in group:
                if self.kinds[member] is Restart.TEMPORARY:
                    del self.children[member]
                else:
                    self.up(member)

    def call(self, action, id):
        """The name of the error the call must raise, or None."""
        if action == "start":
            if id in self.children:
                return AlreadyStarted if self.children[id] else AlreadyPresent
            self.up(id)
        elif id not in self.children:
            return NotFound
        elif action == "terminate":
            self.children[id] = False
            if self.kinds[id] is Restart.TEMPORARY:
                del self.children[id]
        elif self.children[id]:
            return Running
        elif action == "restart":
            self.up(id)
        else:
            del self.children[id]
        return None


@pytest.mark.slow
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    strategy=st.sampled_from(Strategy),
    kinds=st.tuples(*[st.sampled_from(Restart)] * 4),
    steps=st.lists(st.tuples(st.sampled_from(ACTIONS), st.sampled_from(IDS)), max_size=12),
)
def test_any_history_leaves_the_children_that_otp_would_have(strategy, kinds, steps):
    forest = Forest()
    try:
        specs = {id: forest.toy(id, restart=kind) for id, kind in zip(IDS, kinds, strict=True)}
        root = forest.grow(supervisor("root", *specs.values(), strategy=strategy, intensity=10_000))
        model, sup = Model(strategy, kinds), root.supervisor()
        for action, id in steps:
            if action in ("crash", "leave"):
                if not model.children.get(id):
                    continue
                count = forest.events.all().count(("child_terminated", id))
                assert root.handle(id).tell(boom if action == "crash" else leave)
                forest.events.until(lambda seen, n=count, i=id: seen.count(("child_terminated", i)) > n)
                model.end(id, action == "crash")
            else:
                expected = model.call(action, id)
                if action == "start":
                    perform = lambda i=id: sup.start_child(specs[i])  # noqa: E731
                else:
                    perform = lambda a=action, i=id: getattr(sup, f"{a}_child")(i)  # noqa: E731
                if expected is None:
                    perform()
                else:
                    with pytest.raises(expected):
                        perform()
            held = {info.id: info.state == "running" for info in sup.which_children()}
            assert held == model.children
            assert list(held) == list(model.children)
        for child, running in model.children.items():
            if running:
                assert root.names.incarnation(child) == model.starts[child]
                assert root.handle(child).ask("alive") == "alive"
        eventually(lambda: root.find("root")["mailbox"] == 0)
    finally:
        forest.close()
