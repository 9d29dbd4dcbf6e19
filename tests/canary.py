"""Every secret that a test makes is a canary: whatever a test or its processes print or log is
searched for it.
"""

import re
from pathlib import Path

import pytest

from relay.core.secret import Secret

_SHORTEST = 8  # characters: less is found in text that has nothing to do with it
_IN_A_FILE = re.compile(
    r"""(?:bot_token: *["']?([^"',}\s]+)|(https?://[^\s"']+/webhooks/[^\s"',}]+))"""
)
_known: set[str] = set()
_everywhere: set[str] = set()
_make = Secret.__init__
_read = pytest.CaptureFixture.readouterr


def watch() -> None:
    """From now on each new secret is known, and what a test read of its own output is searched as
    well.
    """
    Secret.__init__ = _note  # type: ignore[assignment,method-assign]
    pytest.CaptureFixture.readouterr = _heard  # type: ignore[assignment,method-assign]


def settle() -> None:
    """The secrets known now are those of all tests."""
    _everywhere.update(_known)


def forget() -> None:
    """Forgets the secrets of one test, which do not count in the next one."""
    _known.intersection_update(_everywhere)


def learn(config: Path) -> None:
    """Learns the secrets in the configuration of another process."""
    for found in _IN_A_FILE.finditer(config.read_text(encoding="utf-8")):
        _known.update(secret for secret in found.groups() if secret and len(secret) >= _SHORTEST)


def check(said: str) -> None:
    """Raises AssertionError if a secret is in the text."""
    seen = [secret for secret in _known if secret in said]
    assert not seen, f"a secret is seen: {seen}"


def _note(secret: Secret, text: str) -> None:
    _make(secret, text)
    if len(text) >= _SHORTEST:
        _known.add(text)


def _heard(capture: pytest.CaptureFixture[str]) -> object:
    said = _read(capture)
    check(f"{said.out}{said.err}")
    return said
