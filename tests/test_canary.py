"""The search for secrets works: no test that prints one is green."""

from pathlib import Path

import pytest

TOKEN = "1000009:anotherTokenOfABot"
TESTS = f"""
import logging
from relay.core.secret import Secret

def test_print():
    Secret("{TOKEN}")
    print("it is {TOKEN}")

def test_log():
    Secret("{TOKEN}")
    logging.getLogger("any").warning("it is {TOKEN}")

def test_read(capsys):
    Secret("{TOKEN}")
    print("it is {TOKEN}")
    capsys.readouterr()

def test_nothing():
    print("it is {TOKEN}, and nobody has made it a secret")
"""


def test_what_prints_or_logs_a_secret_fails(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(Path(__file__).with_name("conftest.py").read_text(encoding="utf-8"))
    pytester.makepyfile(TESTS)
    pytester.runpytest_inprocess(
        "-p", "no:cacheprovider", "-o", "asyncio_default_fixture_loop_scope=function"
    ).assert_outcomes(failed=3, passed=1)
