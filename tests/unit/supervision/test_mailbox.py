"""The closable inbox: every message is taken by exactly one side, in order."""

import threading

import pykka
import pytest
from pykka import ActorDeadError, Timeout

from supervision import InboxFull
from supervision._mailbox import BoundedMailbox, Mailbox, Reply


def closing(box):
    got = []
    box.residue = lambda items, why, poison: got.append((list(poison), list(items), why))
    return got


def test_what_waits_when_it_closes_goes_to_the_residue_after_the_poison():
    box = Mailbox()
    got = closing(box)
    box.offer(1)
    box.offer(2)
    box.close("crashed", poison=["p"], rest=[0])
    assert got == [(["p"], [0, 1, 2], "crashed")]


def test_a_closed_box_refuses():
    box = Mailbox()
    closing(box)
    box.close()
    assert not box.offer(1)
    assert box.empty()


def test_pykkas_put_on_a_closed_box_goes_to_the_residue():
    box = Mailbox()
    got = closing(box)
    box.close("stopped")
    box.put("late")
    assert got == [([], ["late"], "stopped")]


def test_a_put_that_lost_the_race_is_swept_up_by_its_putter():
    box = Mailbox()
    got = closing(box)
    put = box._put

    def close_first(item):  # the closer comes between the putter's look at the flag and its put
        box.close("stopped")
        put(item)

    box._put = close_first
    box.offer("in between")
    assert got == [([], ["in between"], "stopped")]
    assert box.empty()


def test_no_message_is_lost_or_doubled_when_closing_races_putting():
    for _ in range(30):
        box = Mailbox()
        residue, refused, taken = [], [], []
        box.residue = lambda items, why, poison, residue=residue: residue.extend(items)
        start = threading.Barrier(3)

        def put(sender, box=box, refused=refused, start=start):
            start.wait()
            refused.extend((sender, n) for n in range(200) if not box.offer((sender, n)))

        senders = [threading.Thread(target=put, args=(s,)) for s in range(2)]
        for sender in senders:
            sender.start()
        start.wait()
        taken.extend(box.get_nowait() for _ in range(min(50, box.qsize())))
        box.close()
        for sender in senders:
            sender.join()
        everything = taken + residue + refused
        assert sorted(everything) == [(s, n) for s in range(2) for n in range(200)]
        for sender in range(2):
            assert [n for s, n in taken + residue if s == sender] == list(
                range(len([1 for s, _ in taken + residue if s == sender]))
            )


def test_a_reply_answers_once_raises_and_times_out():
    reply = Reply()
    with pytest.raises(Timeout):
        reply.get(timeout=0.01)
    reply.set(1)
    reply.set(2)
    assert reply.get(timeout=1.0) == 1
    dead = Reply()
    dead.set_exception((ActorDeadError, ActorDeadError("gone"), None))
    with pytest.raises(ActorDeadError, match="gone"):
        dead.get()


def test_a_bounded_box_drops_raises_or_blocks_tells_but_takes_everything_else():
    drops = BoundedMailbox(1, "drop", 1.0, "x")
    assert [drops.tell(1), drops.tell(2), drops.offer(3)] == [True, False, True]
    raises = BoundedMailbox(1, "raise", 1.0, "x")
    raises.tell(1)
    with pytest.raises(InboxFull, match="holds 1 messages"):
        raises.tell(2)
    blocks = BoundedMailbox(1, "block", 0.01, "x")
    assert [blocks.tell(1), blocks.tell(2)] == [True, False]


def test_a_blocked_sender_goes_on_when_the_box_closes():
    box = BoundedMailbox(1, "block", 10.0, "x")
    closing(box)
    box.tell(1)
    answers = []
    sender = threading.Thread(target=lambda: answers.append(box.tell(2)))
    sender.start()
    box.close()
    sender.join(5.0)
    assert answers == [False]


def test_the_owner_of_a_blocking_box_never_waits_for_itself():
    box = BoundedMailbox(1, "block", 10.0, "x")
    box.owned_by(threading.get_ident())
    assert [box.tell(1), box.tell(2)] == [True, True]


def test_it_is_what_pykka_expects_of_an_inbox():
    ref = pykka.ActorRef
    assert hasattr(ref, "tell")
    box = Mailbox()
    box.put("x")
    assert not box.empty()
    assert box.get() == "x"
