"""Signs of life of peers."""

from actors._beats import Beat, Beats


def beat(peer="w1", at=0.0):
    return Beat(peer, f"id-{peer}", "WORKER", "ok", at)


def test_a_peer_is_lost_after_thirty_seconds_of_silence_and_told_once():
    beats = Beats(30.0)
    beats.heard(beat(at=0.0))
    assert beats.overdue(29.9) == []
    assert [lost.peer for lost in beats.overdue(30.0)] == ["w1"]
    assert beats.overdue(90.0) == []
    assert beats.figures(90.0) == {"alive": [], "lost": ["w1"]}


def test_a_lost_peer_that_is_heard_again_can_be_lost_again():
    beats = Beats(30.0)
    assert beats.heard(beat(at=0.0))
    beats.overdue(30.0)
    assert beats.heard(beat(at=40.0))
    assert not beats.heard(beat(at=50.0))
    assert [lost.at for lost in beats.overdue(80.0)] == [50.0]


def test_a_peer_that_never_sent_one_and_one_that_left_are_never_lost():
    beats = Beats(30.0)
    beats.heard(beat("w2", at=0.0))
    beats.left("w2")
    beats.left("nobody")
    assert beats.overdue(1_000.0) == []


def test_a_clock_that_was_set_back_does_not_hide_a_silence():
    beats = Beats(30.0)
    beats.heard(beat(at=1_000_000.0))
    assert beats.overdue(100.0) == []
    assert [lost.peer for lost in beats.overdue(130.0)] == ["w1"]
