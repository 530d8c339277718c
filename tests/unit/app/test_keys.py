"""The key ring: made once, strict where it is used, silent where no keys are needed."""

import stat

import pytest

from foldward.app.keys import KeyRing, link_of, near, new_pair
from foldward.contracts.errors import ConfigError, RequestError
from foldward.settings import Home, LinkTable
from foldward.settings.keys import is_key, read_keys

TCP = "tcp://0.0.0.0:5570"


@pytest.fixture
def home(tmp_path):
    return Home(tmp_path / "home").make()


@pytest.fixture
def ring(home):
    return KeyRing(home)


def test_core_has_one_pair_until_a_new_one_is_asked_for(ring):
    first, made = ring.make_core()
    assert made
    assert ring.make_core() == (first, False)
    assert stat.S_IMODE(ring.core_file.stat().st_mode) == 0o600
    assert stat.S_IMODE(ring.folder.stat().st_mode) == 0o700
    second, made = ring.make_core(renew=True)
    assert made
    assert second.public != first.public


def test_a_worker_gets_its_file_and_is_allowed_in(ring, tmp_path):
    keys = ring.make_worker("far-1", tmp_path / "far-1.keys")
    assert ring.allowed() == {"far-1": keys.public}
    assert read_keys(tmp_path / "far-1.keys") == keys
    assert keys.server == ring.core().public


def test_a_file_that_is_there_is_not_overwritten(ring, tmp_path):
    (tmp_path / "x.keys").write_text("")
    with pytest.raises(ConfigError, match="exists"):
        ring.make_worker("x", tmp_path / "x.keys")


def test_on_its_own_machine_a_worker_makes_a_pair_without_a_ring(ring, tmp_path):
    server = new_pair().public
    keys = ring.make_worker("far", tmp_path / "far.keys", server)
    assert keys.server == server
    assert not ring.folder.exists()
    with pytest.raises(ConfigError, match="Z85"):
        ring.make_worker("far", tmp_path / "other.keys", "short")


@pytest.mark.parametrize("name", ["", "../x", "a b", ".hidden", "x" * 65, "a/b"])
def test_a_name_that_is_no_file_name_is_refused(ring, name):
    with pytest.raises(ConfigError, match="cannot be a key's name"):
        ring.allow(name, new_pair().public)


def test_what_is_revoked_is_gone_and_a_wrong_name_gets_the_nearest(ring):
    ring.allow("far-1", new_pair().public)
    with pytest.raises(RequestError, match="far-1") as caught:
        ring.revoke("far1")
    assert caught.value.exit_code == 4
    ring.revoke("far-1")
    assert ring.allowed() == {}


def test_a_damaged_entry_is_named(ring):
    ring.allow("far-1", new_pair().public)
    (ring.folder / "allowed" / "far-1.key").write_text("nonsense")
    with pytest.raises(ConfigError, match=r"far-1\.key holds no public key"):
        ring.allowed()


def test_on_ipc_there_are_no_keys_even_where_settings_have_some(ring):
    ring.make_core()
    link = LinkTable(curve_secret_key=new_pair().secret)
    used, local = link_of(link, "ipc:///run/link.sock", ring)
    assert used.curve_secret_key.get_secret_value() == ""
    assert local is None


def test_an_existing_peer_keeps_the_link_it_has(ring):
    ring.make_core()
    link = LinkTable(mode="pushpull")
    assert link_of(link, "", ring) == (link, None)


def test_on_tcp_only_the_ring_gets_in_and_cores_own_workers(ring, home):
    core, _ = ring.make_core()
    ring.allow("far-1", far := new_pair().public)
    used, local = link_of(LinkTable(native_endpoint=TCP), TCP, ring)
    own = read_keys(local)
    assert used.curve_secret_key.get_secret_value() == core.secret
    assert set(used.curve_clients) == {far, own.public}
    assert own.server == core.public
    assert local.parent == home.run_dir
    assert stat.S_IMODE(local.stat().st_mode) == 0o600
    again, _ = link_of(LinkTable(native_endpoint=TCP), TCP, ring)
    assert again.curve_clients != used.curve_clients


def test_with_a_pair_and_nobody_allowed_only_cores_own_workers_get_in(ring):
    ring.make_core()
    used, local = link_of(LinkTable(), TCP, ring)
    assert used.curve_clients == (read_keys(local).public,)


def test_without_a_ring_nothing_changes(ring):
    link = LinkTable(native_endpoint="tcp://127.0.0.1:5570")
    assert link_of(link, link.native_endpoint, ring) == (link, None)


def test_keys_of_the_settings_come_first(ring):
    ring.make_core()
    mine = new_pair()
    link = LinkTable(curve_public_key=mine.public, curve_secret_key=mine.secret)
    used, local = link_of(link, TCP, ring)
    assert used.curve_public_key == mine.public
    assert used.curve_clients == ()  # as before: whoever knows core's public key
    assert read_keys(local).server == mine.public
    allowed = new_pair().public
    used, local = link_of(link.model_copy(update={"curve_clients": (allowed,)}), TCP, ring)
    assert set(used.curve_clients) == {allowed, read_keys(local).public}
    assert link_of(LinkTable(curve_secret_key=mine.secret), TCP, ring)[0].curve_public_key == mine.public
    with pytest.raises(ConfigError, match="curve_secret_key") as caught:
        link_of(LinkTable(curve_secret_key="hush"), TCP, ring)
    assert "hush" not in str(caught.value)


@pytest.mark.parametrize(
    ("endpoint", "reached"),
    [
        ("tcp://0.0.0.0:5570", "tcp://127.0.0.1:5570"),
        ("tcp://*:5570", "tcp://127.0.0.1:5570"),
        ("tcp://[::]:5570", "tcp://[::1]:5570"),
        ("tcp://10.0.0.7:5570", "tcp://10.0.0.7:5570"),
        ("ipc:///run/x:y/link.sock", "ipc:///run/x:y/link.sock"),
    ],
)
def test_cores_own_workers_reach_it_near(endpoint, reached):
    assert near(endpoint) == reached


def test_new_pairs_are_keys():
    pair = new_pair()
    assert is_key(pair.public)
    assert is_key(pair.secret)
