"""Sending through apprise: only those that have not taken it are asked again."""

import queue

import apprise
import pytest

from actors._courier import Courier, apprise_sender
from actors._notices import Notice
from foldward.contracts.errors import ConfigError, ProviderError

NOTICE = Notice("k", "title", "body", "warning")


class Service:
    def __init__(self, answers):
        self.answers = answers
        self.taken = []

    def notify(self, **notice):
        self.taken.append(notice)
        return self.answers.pop(0)


@pytest.fixture
def services(monkeypatch):
    made = {"json://a": Service([True]), "json://b": Service([False, True])}
    monkeypatch.setattr(apprise.Apprise, "instantiate", lambda url, **_: made.get(url))
    return made


def test_a_retry_goes_only_to_the_service_that_failed(services):
    send = apprise_sender(["json://a", "json://b"])
    with pytest.raises(ProviderError, match="1 of 2 services"):
        send(NOTICE)
    send(NOTICE)
    assert len(services["json://a"].taken) == 1
    assert len(services["json://b"].taken) == 2
    assert services["json://a"].taken[0] == {"title": "title", "body": "body", "notify_type": "warning"}


def test_a_url_that_is_not_known_is_named_by_number_and_never_shown(services):
    with pytest.raises(ConfigError) as caught:
        apprise_sender(["json://a", "secret://token"])
    assert str(caught.value) == "notify.urls: number 2 is no URL that apprise knows"


def test_the_courier_answers_for_every_notice_in_order_and_masks_errors():
    answers = queue.SimpleQueue()

    def send(notice):
        if notice.key == "bad":
            raise OSError("token=abc")

    courier = Courier(send, lambda *answer: answers.put(answer))
    courier.send(1, NOTICE)
    courier.send(2, Notice("bad", "t", "b", "info"))
    assert answers.get(timeout=5) == (1, None, None)
    assert answers.get(timeout=5) == (2, "OSError: token=***", None)
    courier.close(5.0)
