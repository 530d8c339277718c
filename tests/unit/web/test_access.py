"""Who may do what: tokens, sessions, forms, hosts; pure decisions."""

import pytest
from freezegun import freeze_time
from pydantic import SecretStr

from foldward.contracts.errors import ConfigError
from foldward.settings import WebTable
from foldward.web._access import Access, check_binding, is_loopback, local_path, same_origin

TOKEN = "correct horse"


def access(**settings: object) -> Access:
    return Access(WebTable(token=SecretStr(TOKEN), **settings))


@pytest.mark.parametrize(
    ("host", "local"),
    [
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("localhost", True),
        ("0.0.0.0", False),
        ("::", False),
        ("192.168.1.5", False),
        ("example.org", False),
        ("", False),
    ],
)
def test_only_this_machine_is_loopback(host: str, local: bool) -> None:
    assert is_loopback(host) is local


def test_beyond_this_machine_a_token_is_required() -> None:
    with pytest.raises(ConfigError, match="reachable from other machines") as refused:
        check_binding(WebTable(host="0.0.0.0"))
    assert (refused.value.code, refused.value.exit_code) == ("config.invalid", 2)
    check_binding(WebTable(host="0.0.0.0", token=SecretStr(TOKEN)))
    check_binding(WebTable())


def test_only_the_token_fits() -> None:
    rules = access()
    assert rules.token_fits(TOKEN)
    for wrong in ("", "correct", TOKEN + " ", TOKEN.upper(), "ünïcode", "\ud800"):
        assert not rules.token_fits(wrong)


def test_without_a_token_each_start_makes_its_own() -> None:
    first, second = Access(WebTable()), Access(WebTable())
    assert first.generated
    assert len(first.token) >= 32
    assert first.token != second.token


@pytest.mark.parametrize(
    "cookie", [None, "", "x", "1.2", "1.2.3", "..", "9999999999.a.b", "ü.a.b", "." * 200]
)
def test_a_cookie_that_was_not_made_here_is_no_session(cookie: str | None) -> None:
    assert not access().session_fits(cookie)


def test_a_session_ends_after_twelve_hours_and_with_the_token() -> None:
    rules = access()
    with freeze_time("2026-02-03T08:00:00Z") as frozen:
        cookie = rules.new_session()
        frozen.move_to("2026-02-03T19:59:59Z")
        assert rules.session_fits(cookie)
        assert not Access(WebTable(token=SecretStr("another"))).session_fits(cookie)
        frozen.move_to("2026-02-03T20:00:01Z")
        assert not rules.session_fits(cookie)


def test_a_session_that_was_made_longer_by_hand_does_not_fit() -> None:
    rules = access()
    ends, nonce, signature = rules.new_session().split(".")
    assert not rules.session_fits(f"{int(ends) + 1}.{nonce}.{signature}")


def test_a_form_belongs_to_one_session() -> None:
    rules = access()
    mine, other = rules.new_session(), rules.new_session()
    assert rules.form_fits(mine, rules.form_token(mine))
    assert not rules.form_fits(mine, rules.form_token(other))
    assert not rules.form_fits(mine, "")
    assert not rules.form_fits(mine, "ü")


@pytest.mark.parametrize(
    ("host", "known"),
    [
        ("127.0.0.1:8710", True),
        ("localhost:1", True),
        ("[::1]:8710", True),
        ("LOCALHOST", True),
        ("evil.example:8710", False),
        ("127.0.0.1.evil.example", False),
        (None, False),
        ("", False),
    ],
)
def test_a_foreign_name_is_not_answered(host: str | None, known: bool) -> None:
    assert access().knows_host(host) is known


def test_a_proxys_name_is_taken_from_the_settings_and_guards_reading() -> None:
    rules = access(hosts=("fold.example.org",))
    assert rules.knows_host("fold.example.org")
    assert rules.guarded
    assert not access().guarded
    assert access(host="0.0.0.0").guarded


@pytest.mark.parametrize(
    ("headers", "ours"),
    [
        ({"host": "127.0.0.1:8710", "origin": "http://127.0.0.1:8710"}, True),
        ({"host": "fold.example.org", "origin": "https://fold.example.org"}, True),
        ({"host": "127.0.0.1:8710", "origin": "http://127.0.0.1:8711"}, False),
        ({"host": "127.0.0.1:8710", "origin": "http://evil.example"}, False),
        ({"host": "127.0.0.1:8710", "origin": "null"}, False),
        ({"host": "127.0.0.1:8710", "sec-fetch-site": "same-origin"}, True),
        ({"host": "127.0.0.1:8710", "sec-fetch-site": "cross-site"}, False),
        ({"host": "127.0.0.1:8710"}, False),
    ],
)
def test_a_form_comes_from_a_page_of_ours(headers: dict[str, str], ours: bool) -> None:
    assert same_origin(headers) is ours


@pytest.mark.parametrize(
    ("given", "target"),
    [
        ("/tree", "/tree"),
        ("/queue?status=error", "/queue?status=error"),
        ("", "/"),
        ("tree", "/"),
        ("//evil.example", "/"),
        ("/\\evil.example", "/"),
        ("https://evil.example", "/"),
        ("/a\r\nb", "/"),
    ],
)
def test_after_signing_in_one_stays_here(given: str, target: str) -> None:
    assert local_path(given) == target
