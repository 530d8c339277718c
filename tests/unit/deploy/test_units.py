"""The systemd units: what systemd makes of them, and that they know core's exit codes and times."""

from pathlib import Path

import pytest

from foldward.settings import Settings
from supervision import run

FOLDER = Path(__file__).resolve().parents[3] / "deploy" / "systemd"
UNITS = sorted(file.name for file in FOLDER.glob("*.service"))
_LISTS = {"Environment", "EnvironmentFile", "After", "Wants"}


def read(name):
    """{section: {key: value, or a list where a key comes more than once}}"""
    found, section = {}, ""
    for number, line in enumerate((FOLDER / name).read_text().splitlines(), start=1):
        if not line or line.startswith("#"):
            continue
        if line.startswith("["):
            section = line.strip("[]")
            found[section] = {}
            continue
        key, sign, value = line.partition("=")
        assert sign, f"{name} line {number}: {line!r}"
        assert key == key.strip(), f"{name} line {number}: blank before ="
        assert key in _LISTS or key not in found[section], f"{name} line {number}: {key} comes twice"
        found[section].setdefault(key, []).append(value)
    return found


def test_there_is_one_for_each_process():
    assert UNITS == ["foldward-core.service", "foldward-web.service", "foldward-worker@.service"]


@pytest.mark.parametrize("name", UNITS)
def test_each_has_its_sections_a_user_and_the_hardening(name):
    unit = read(name)
    assert list(unit) == ["Unit", "Service", "Install"]
    service = unit["Service"]
    assert service["User"] == ["foldward"]
    assert service["ExecStart"][0].startswith("/opt/foldward/.venv/bin/foldward ")
    for key in ("NoNewPrivileges", "ProtectHome", "PrivateTmp", "PrivateDevices", "ProtectKernelModules"):
        assert service[key] == ["yes"]
    assert service["ProtectSystem"] == ["strict"]
    assert service["CapabilityBoundingSet"] == [""]
    assert service["SystemCallFilter"] == ["@system-service"]
    assert service["KillMode"] == ["mixed"]
    assert service["KillSignal"] == ["SIGTERM"]
    assert "2" in service["RestartPreventExitStatus"][0].split()


def test_core_has_longer_to_stop_than_its_own_limit_and_comes_back_after_a_crash():
    service = read("foldward-core.service")["Service"]
    assert float(service["TimeoutStopSec"][0]) >= 3 * Settings().core.stop_s
    assert service["Restart"] == ["on-failure"]
    assert service["Type"] == ["notify"]
    assert service["ExecReload"] == ["/bin/kill -HUP $MAINPID"]


def test_core_may_ask_for_the_network_interfaces_without_which_a_tcp_address_cannot_be_bound():
    families = read("foldward-core.service")["Service"]["RestrictAddressFamilies"]
    assert families == ["AF_UNIX AF_INET AF_INET6 AF_NETLINK"]


def test_the_exit_codes_are_those_of_the_tree():
    import supervision._run as codes

    assert (codes.DRAINED, codes.GAVE_UP, codes.BOOT_FAILED, codes.NOT_CLEAN) == (0, 1, 2, 3)
    service = read("foldward-core.service")["Service"]
    clean = {int(code) for code in service["SuccessExitStatus"][0].split()}
    final = {int(code) for code in service["RestartPreventExitStatus"][0].split()}
    assert clean == {0, 128 + 2, 128 + 15}
    assert codes.BOOT_FAILED in final
    assert not {codes.GAVE_UP, codes.NOT_CLEAN} & (clean | final)
    assert callable(run)


def test_every_command_line_is_one_that_foldward_takes():
    from foldward.worker.main import parser

    words = read("foldward-worker@.service")["Service"]["ExecStart"][0].split()[2:]
    options = parser().parse_args(words)
    assert options.connect == "${FOLDWARD_CONNECT}"
    assert options.keys == "/etc/foldward/worker-%i.keys"
    assert read("foldward-core.service")["Service"]["ExecStart"] == ["/opt/foldward/.venv/bin/foldward core"]
    assert read("foldward-web.service")["Service"]["ExecStart"] == ["/opt/foldward/.venv/bin/foldward web"]
