"""The contract with pykka's private hooks: they exist, and pykka calls them where we think it does."""

import inspect
import threading
from importlib import metadata

import pykka
import pytest
from pykka import messages
from pykka._actor import Actor as StockActor
from pykka._envelope import Envelope
from toys import Toy, boom, eventually

from supervision import Actor

HOOKS = {
    "start": ["ActorRegistry.register", "_start_actor_loop"],
    "__init__": ["_create_actor_inbox", "actor_stopped", "_actor_ref"],
    "_actor_loop": ["_actor_loop_setup", "_actor_loop_running", "_actor_loop_teardown"],
    "_handle_receive": ["_ActorStop", "ProxyCall", "ProxyGetAttr", "ProxySetAttr", "on_receive"],
}


def test_the_pinned_version_is_the_one_installed():
    assert metadata.version("pykka").split(".")[:2] == ["4", "5"]


@pytest.mark.parametrize("method", HOOKS)
def test_pykka_calls_the_hooks_that_are_overridden(method):
    source = inspect.getsource(getattr(StockActor, method))
    places = [source.index(hook) for hook in HOOKS[method]]
    assert places == sorted(places) or method in ("start", "__init__", "_handle_receive")


@pytest.mark.parametrize(
    "hook",
    [
        "_create_actor_inbox",
        "_start_actor_loop",
        "_actor_loop_setup",
        "_actor_loop_running",
        "_actor_loop_teardown",
        "_stop",
        "_handle_failure",
    ],
)
def test_each_override_has_pykkas_signature(hook):
    def names(cls):
        return [p for p in inspect.signature(getattr(cls, hook)).parameters if p != "self"]

    assert names(Actor) == names(pykka.ThreadingActor)


def test_envelopes_and_private_messages_look_as_we_use_them():
    envelope = Envelope("message")
    assert (envelope.message, envelope.reply_to) == ("message", None)
    assert messages._ActorStop() == ()


def test_an_actor_started_by_pykka_itself_works_and_stops():
    class Echo(Actor):
        def on_receive(self, message):
            return message

    ref = Echo.start()
    try:
        assert ref.ask("hello", timeout=5.0) == "hello"
        assert ref.proxy().incarnation.get(timeout=5.0) == 1
        assert pykka.ActorRegistry.get_by_class(Echo) == [ref]
    finally:
        assert ref.stop(timeout=5.0)
    assert not ref.is_alive()
    assert eventually(lambda: pykka.ActorRegistry.get_by_class(Echo) == [])


def test_a_crash_outside_a_tree_is_logged_and_ends_only_that_actor(logged):
    class Other(pykka.ThreadingActor):
        def on_receive(self, message):
            return message

    class Crashes(Actor):
        def on_receive(self, message):
            raise SystemExit(1)

    other, ref = Other.start(), Crashes.start()
    try:
        ref.tell("x")
        assert ref.actor_stopped.wait(5.0)
        eventually(lambda: "SystemExit" in logged.getvalue())
        assert other.ask("alive", timeout=5.0) == "alive"
    finally:
        other.stop(timeout=5.0)


def test_on_failure_is_called_on_a_crash_and_on_stop_is_not(forest):
    calls = []

    class Notes(Toy):
        def on_failure(self, kind, value, traceback):
            calls.append((kind.__name__, threading.current_thread().name))

        def on_stop(self):
            calls.append("on_stop")

    from supervision import Child

    root = forest.boot(Child("a", Notes, args=(forest.journal,)))
    root.handle("a").tell(boom)
    eventually(lambda: root.names.incarnation("a") == 2)
    assert calls == [("Boom", "a#1")]


def test_start_must_give_a_fresh_actor_that_called_its_super_init(forest):
    from supervision import Child, SpecError, StartFailed

    class NoSuper(Actor):
        def __init__(self):
            pass

    old = Toy(forest.journal)
    for start, words in [
        (lambda: 42, "gave 42"),
        (NoSuper, "does not call super"),
        (lambda: old, "built before"),
    ]:
        with pytest.raises(StartFailed) as caught:
            forest.boot(Child("a", start))
        assert isinstance(caught.value.cause, SpecError)
        assert words in str(caught.value.cause)


def test_start_may_be_a_factory(forest):
    from supervision import Child

    root = forest.boot(Child("a", lambda: Toy(forest.journal)))
    assert root.handle("a").ask(lambda actor: (actor.id, actor.incarnation)) == ("a", 1)
