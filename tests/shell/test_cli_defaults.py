"""Where verbs look when they are told nothing: the environment, the present folder."""

from pathlib import Path

import pytest

from relay.__main__ import main

CONFIG = """\
route: {receiver: ops}
receivers: [{name: ops, telegram_configs: [{chat_id: -1, bot_token_file: f}]}]
"""


def test_the_configuration_is_that_of_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mine.yml").write_text(CONFIG)
    monkeypatch.setenv("ALERT_RELAY_CONFIG_FILE", str(tmp_path / "mine.yml"))
    assert main(["routes", "test", "a=b"]) == 0
    assert capsys.readouterr().out == "ops\n"
    assert main(["routes", "test", "--config.file=other.yml"]) == 2


@pytest.mark.parametrize(
    ("variable", "inside", "named"),
    [("/nowhere/x", False, "/nowhere/x"), ("", False, "data"), ("", True, "relay.db")],
)
def test_the_storage_is_that_of_the_environment_or_the_present_folder(
    variable: str,
    inside: bool,
    named: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "relay.yml").write_text(CONFIG)
    if inside:
        (tmp_path / "relay.db").write_text("no database")
    monkeypatch.setenv("ALERT_RELAY_STORAGE_PATH", variable)
    assert main(["routes", "diff", "relay.yml"]) == 2
    assert named in capsys.readouterr().err


@pytest.mark.parametrize("verb", ["serve", "status", "queue list"])
@pytest.mark.parametrize("other", ["--storage.url-file=url", "$ALERT_RELAY_STORAGE_URL"])
def test_a_folder_beside_a_database_is_not_used_and_that_is_said(
    verb: str,
    other: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Who has the address in the environment and asks about a folder learns whose answer it is."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "url").write_text("postgresql://relay@127.0.0.1:1/relay")
    options = [other]
    if other.startswith("$"):
        monkeypatch.setenv(other[1:], "postgresql://relay@127.0.0.1:1/relay")
        options = []
    assert main([*verb.split(), "--storage.path=old", *options]) == 2
    said = f"--storage.path=old is not used: {other} names the storage"
    assert said in capsys.readouterr().err
