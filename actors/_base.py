"""What all of Foldward's actors share: emitting events, asking the one writer, and carrying out effects."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from actors import _effects as do
from foldward.contracts import clock
from foldward.contracts.facts import Fact
from foldward.contracts.messages import Emit, Notify, Write
from supervision import Actor, Handle


class ProductActor(Actor):
    """An actor of the product: knows its telemetry and its writer by name, and nothing else by import."""

    service = "unknown"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._handles: dict[str, Handle] = {}

    def handle(self, name: str) -> Handle:
        """The child of that name, looked up once: a Handle survives restarts."""
        found = self._handles.get(name)
        if found is None:
            found = self._handles[name] = super().handle(name)
        return found

    def emit(
        self,
        event_type: str,
        data: dict[str, Any],
        *,
        severity: str = "info",
        correlation_id: str = "unknown",
        run_id: str = "-",
        trace_id: str = "-",
    ) -> None:
        """Tell Telemetry. Never raises, never blocks; a lost event is counted as a dead letter."""
        self.handle("telemetry").tell(
            Emit(
                event_type=event_type,
                data=data,
                at_us=clock.utc_us(),
                service=self.service,
                severity=severity,
                correlation_id=correlation_id,
                run_id=run_id,
                trace_id=trace_id,
            )
        )

    def write(self, fact: Fact, tag: Any = None, *, reply: bool = True) -> None:
        """Ask the DBWriter to make a fact true; `Written` comes back as a message once it is committed."""
        self.handle("db_writer").tell(
            Write(
                fact=fact,
                reply_to=self.handle(self.id) if reply else None,
                tag=tag,
                sender=self.id,
                incarnation=self.incarnation,
            )
        )

    def notify(self, key: str, title: str, body: str, severity: str = "warning") -> None:
        """Tell the operator through the Notifier."""
        self.handle("notifier").tell(Notify(key=key, title=title, body=body, severity=severity))

    def carry_out(self, effects: Iterable[do.Effect]) -> None:
        """Do what a decision asks for, in its order."""
        for effect in effects:
            _DO[type(effect)](self, effect)

    def send_bytes(self, peer: str, request_id: str, data: bytes) -> None:
        """Hand bytes to the link: only the Dispatcher has one."""
        raise TypeError(f"{self.id} has no link for {request_id} to {peer} ({len(data)} bytes)")


def _write(actor: ProductActor, effect: do.WriteFact) -> None:
    actor.write(effect.fact, effect.tag, reply=effect.reply)


def _tell(actor: ProductActor, effect: do.Tell) -> None:
    actor.handle(effect.to).tell(effect.message)


def _answer(_actor: ProductActor, effect: do.Answer) -> None:
    if effect.to is not None:
        effect.to.tell(effect.message)


def _event(actor: ProductActor, effect: do.Event) -> None:
    actor.emit(
        effect.event_type,
        effect.data,
        severity=effect.severity,
        correlation_id=effect.correlation_id,
        run_id=effect.run_id,
        trace_id=effect.trace_id,
    )


def _alarm(actor: ProductActor, effect: do.Alarm) -> None:
    actor.notify(effect.key, effect.title, effect.body, effect.severity)


def _send(actor: ProductActor, effect: do.SendBytes) -> None:
    actor.send_bytes(effect.peer, effect.request_id, effect.data)


def _later(actor: ProductActor, effect: do.Later) -> None:
    actor.after(effect.after_s, effect.message)


# A table, because this runs several times for every request: a chain of isinstance costs twice as much.
_DO: dict[type[do.Effect], Callable[[ProductActor, Any], None]] = {
    do.WriteFact: _write,
    do.Tell: _tell,
    do.Answer: _answer,
    do.Event: _event,
    do.Alarm: _alarm,
    do.SendBytes: _send,
    do.Later: _later,
}
