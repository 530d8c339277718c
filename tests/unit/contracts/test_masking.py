"""Secrets are masked wherever they stand."""

import pytest

from foldward.contracts.masking import is_secret_name, mask, mask_text


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("api_key=abc123 next", "api_key=*** next"),
        ("token: 'a b', next", "token: ***, next"),
        ('{"password": "p w", "user": "u"}', '{"password": ***, "user": "u"}'),
        ("curve_secret_key=abc", "curve_secret_key=***"),
        ("Authorization: Bearer abcdefgh", "Authorization: *** ***"),
        ("redis://user:pw@host/0", "redis://***@host/0"),
        ("https://discord.com/api/webhooks/123/abc", "https://discord.com/***"),
        ("to https://hooks.slack.com/services/T/B/x failed", "to https://hooks.slack.com/*** failed"),
        ("https://api.telegram.org/bot123:abc/send", "https://api.telegram.org/***"),
        ("discord://123/abc", "discord://***"),
        ("sharpe=0.5 monkey=3 keyboard: x", "sharpe=0.5 monkey=3 keyboard: x"),
        ("http://host/botany", "http://host/botany"),
        ("", ""),
    ],
)
def test_what_looks_like_a_secret_is_masked_and_nothing_else(text, masked):
    assert mask_text(text) == masked
    assert mask_text(masked) == masked


def test_keys_that_name_a_secret_lose_their_value_at_any_depth():
    given = {"a": [{"api_key": "x", "n": 1}], "password": "", "WebhookURL": "u", "webhook_url": "u"}
    assert mask(given) == {
        "a": [{"api_key": "***", "n": 1}],
        "password": "",
        "WebhookURL": "***",
        "webhook_url": "***",
    }


def test_names_are_told_apart():
    assert is_secret_name("curve_secret_key")
    assert is_secret_name("Authorization")
    assert not is_secret_name("monkey")
    assert not is_secret_name("public_key")


def test_endless_nesting_is_cut_off():
    deep = value = {}
    for _ in range(100):
        value["a"] = {}
        value = value["a"]
    value["token"] = "x"
    assert "x" not in str(mask(deep))
