"""What core must bind is tried before anything is opened."""

import socket

import pytest

from foldward.app.endpoints import require_endpoints
from foldward.contracts.errors import ConfigError, WireError
from foldward.settings import LinkTable


def test_a_taken_port_is_refused_with_the_setting_to_change() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        endpoint = f"tcp://127.0.0.1:{other.getsockname()[1]}"
        with pytest.raises(WireError) as caught:
            require_endpoints(LinkTable(), endpoint)
    assert caught.value.message == f"{endpoint} cannot be bound: Address already in use"
    assert caught.value.code == "wire.endpoint_taken"
    assert caught.value.hint == "stop the other program, or set link.native_endpoint"
    assert caught.value.exit_code == 2


def test_a_taken_result_port_of_the_older_link_is_refused_too() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        link = LinkTable(
            mode="pushpull", result_endpoint=f"tcp://127.0.0.1:{other.getsockname()[1]}", bind_results=True
        )
        with pytest.raises(WireError) as caught:
            require_endpoints(link, "")
    assert caught.value.hint == "stop the other program, or set link.result_endpoint"


@pytest.mark.parametrize("endpoint", ["tcp://0.0.0.0:5570", "tcp://127.evil.example:5570", "tcp://*:5570"])
def test_an_address_beyond_this_machine_needs_keys_before_anything_is_opened(endpoint: str) -> None:
    with pytest.raises(WireError) as caught:
        require_endpoints(LinkTable(native_endpoint=endpoint), endpoint)
    assert caught.value.code == "wire.curve_required"
    assert caught.value.exit_code == 2
    assert "link.native_endpoint" in caught.value.message
    assert "foldward keys core" in caught.value.hint


@pytest.mark.parametrize("endpoint", ["tcp://127.0.0.1:*", "tcp://127.0.0.1", "tcp://127.0.0.1:"])
def test_an_address_without_a_fixed_port_is_refused_because_workers_could_not_find_it(endpoint: str) -> None:
    with pytest.raises(ConfigError, match="names no port"):
        require_endpoints(LinkTable(native_endpoint=endpoint), endpoint)


def test_a_plain_address_beyond_this_machine_can_be_allowed() -> None:
    with socket.socket() as probe:
        probe.bind(("0.0.0.0", 0))
        endpoint = f"tcp://0.0.0.0:{probe.getsockname()[1]}"
    require_endpoints(LinkTable(native_endpoint=endpoint, allow_plain=True), endpoint)


def test_a_free_port_stays_free() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        endpoint = f"tcp://127.0.0.1:{probe.getsockname()[1]}"
    require_endpoints(LinkTable(), endpoint)
    require_endpoints(LinkTable(), endpoint)


def test_a_socket_file_is_the_locks_business() -> None:
    require_endpoints(LinkTable(), "ipc:///nonexistent/x.sock")


@pytest.mark.parametrize("endpoint", ["bogus://x", "10.0.0.5:5570", "tcp:/127.0.0.1:5570", "x"])
def test_an_endpoint_without_a_scheme_that_is_known_is_a_wrong_setting(endpoint: str) -> None:
    with pytest.raises(ConfigError) as refused:
        require_endpoints(LinkTable(native_endpoint=endpoint), endpoint)
    assert refused.value.code == "config.invalid"
    assert refused.value.message.startswith(f"link.native_endpoint {endpoint!r} is no endpoint")
