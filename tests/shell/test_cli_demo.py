"""What keeps the demo from playing: one line, and status 2."""

import socket

import pytest
from msgspec.structs import replace

from relay.__main__ import main
from relay.sandbox import incident


@pytest.mark.parametrize("port", ["80000", "-1", "eighty", "²", "9" * 5000])
def test_a_number_that_is_no_port_is_wrong_use(
    port: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["demo", f"--page-port={port}"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "is not a port: write a number from 0 to 65535" in line


def test_a_port_that_another_program_has_is_one_line_with_the_remedy(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        assert main(["demo", "--once", f"--page-port={port}"]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    why = f"cannot listen on --page-port={port}: Address already in use; name another one, or none"
    assert said.err == f"alert-relay demo: {why}\n"


@pytest.mark.medium
def test_the_incident_loses_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The demo's own tally, with the incident played ten times as fast."""
    faster = [replace(beat, at=beat.at / 10) for beat in incident.SCRIPT]
    faults = [replace(each, at=each.at / 10, lasts=each.lasts / 10)
              for each in incident.SCRIPTED_FAULTS]  # fmt: skip
    monkeypatch.setattr(incident, "SCRIPT", tuple(faster))
    monkeypatch.setattr(incident, "SCRIPTED_FAULTS", tuple(faults))
    monkeypatch.setattr(incident, "LENGTH", incident.LENGTH / 10)
    assert main(["demo", "--once"]) == 0
    out = capsys.readouterr().out
    assert f"received={len(incident.SCRIPT)} notifications, 7 alerts" in out
    assert out.endswith("lost=0\n")
    assert " dead=0\n" in out
