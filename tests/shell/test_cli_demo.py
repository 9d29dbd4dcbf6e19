"""What keeps the demo from playing: one line, and status 2."""

import socket

import pytest

from relay.__main__ import main


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
