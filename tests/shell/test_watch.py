"""The watch sees every change of the configuration and of what it names, and only changes."""

import asyncio
import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from relay.settings.watch import Watch, follow
from tests.acceptance.processes import listens, processes, until

CONFIG = """\
global: {telegram_bot_token_file: token}
templates: [templates/*.j2]
route: {receiver: ops}
receivers: [{name: ops, telegram_configs: [{chat_id: -1001, template: own.j2}]}]
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "relay.yml").write_text(CONFIG)
    (tmp_path / "token").write_text("1000001:aaaaaaaaaaaaaaaaaaaa")
    (tmp_path / "templates").mkdir()
    (tmp_path / "templates/own.j2").write_text("{{ status }}")
    return tmp_path


CHANGES: dict[str, Callable[[Path], object]] = {
    "the configuration": lambda folder: (folder / "relay.yml").write_text(CONFIG + "# later\n"),
    "the configuration, broken": lambda folder: (folder / "relay.yml").write_text("route: ["),
    "a secret": lambda folder: (folder / "token").write_text("1000001:bbbbbbbbbbbbbbbbbbbb"),
    "a secret, gone": lambda folder: (folder / "token").unlink(),
    "a template": lambda folder: (folder / "templates/own.j2").write_text("{{ receiver }}"),
    "another template": lambda folder: (folder / "templates/new.j2").write_text(""),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_change_is_seen_once(folder: Path, change: Callable[[Path], object]) -> None:
    watch = Watch(folder / "relay.yml")
    assert not watch.changed()
    change(folder)
    assert watch.changed()
    assert not watch.changed()


def test_what_was_touched_or_is_not_named_is_no_change(folder: Path) -> None:
    watch = Watch(folder / "relay.yml")
    os.utime(folder / "relay.yml", (1, 1))
    (folder / "other.yml").write_text("")
    assert not watch.changed()


def test_a_secret_that_the_new_configuration_names_is_watched_from_then_on(folder: Path) -> None:
    watch = Watch(folder / "relay.yml")
    (folder / "relay.yml").write_text(CONFIG.replace("file: token", "file: other"))
    assert watch.changed()
    (folder / "other").write_text("1000002:aaaaaaaaaaaaaaaaaaaa")
    assert watch.changed()


def test_a_configuration_that_is_away_for_a_moment_is_no_change(folder: Path) -> None:
    watch = Watch(folder / "relay.yml")
    (folder / "relay.yml").rename(folder / "away")
    assert not watch.changed()
    (folder / "away").rename(folder / "relay.yml")
    assert not watch.changed()


def test_a_volume_that_is_swapped_as_kubernetes_does_it_is_seen(tmp_path: Path) -> None:
    mount = tmp_path / "mount"
    for name, text in (("first", CONFIG), ("second", CONFIG + "# later\n")):
        (mount / name).mkdir(parents=True)
        (mount / name / "relay.yml").write_text(text)
    (mount / "..data").symlink_to("first")
    (mount / "relay.yml").symlink_to("..data/relay.yml")
    watch = Watch(mount / "relay.yml")
    (mount / "..new").symlink_to("second")
    (mount / "..new").rename(mount / "..data")
    assert watch.changed()


def test_without_a_reload_of_all_the_content_of_secret_files_counts_and_nothing_else(
    folder: Path,
) -> None:
    watch = Watch(folder / "relay.yml")
    for edit in ("the configuration", "a template", "another template", "a secret, gone"):
        CHANGES[edit](folder)
        assert not watch.secrets_changed()
    (folder / "token").write_text("1000001:aaaaaaaaaaaaaaaaaaaa")
    assert not watch.secrets_changed()
    (folder / "token").write_text("1000001:bbbbbbbbbbbbbbbbbbbb")
    assert watch.secrets_changed()
    assert not watch.secrets_changed()


def test_a_secret_that_changed_while_it_was_away_is_seen(folder: Path) -> None:
    watch = Watch(folder / "relay.yml")
    (folder / "token").unlink()
    assert not watch.secrets_changed()
    (folder / "token").write_text("1000001:bbbbbbbbbbbbbbbbbbbb")
    assert watch.secrets_changed()


def test_a_secret_file_that_a_reload_brought_is_followed_from_then_on(folder: Path) -> None:
    watch = Watch(folder / "relay.yml")
    (folder / "other").write_text("1000002:aaaaaaaaaaaaaaaaaaaa")
    (folder / "relay.yml").write_text(CONFIG.replace("file: token", "file: other"))
    assert not watch.secrets_changed()
    (folder / "other").write_text("1000002:bbbbbbbbbbbbbbbbbbbb")
    assert watch.secrets_changed()


async def test_following_reloads_at_each_change(folder: Path) -> None:
    reloaded = asyncio.Event()

    async def reload() -> None:
        reloaded.set()

    following = asyncio.create_task(follow(Watch(folder / "relay.yml").changed, 0.01, reload))
    for text in ("1000001:bbbbbbbbbbbbbbbbbbbb", "1000001:cccccccccccccccccccc"):
        assert not reloaded.is_set()
        (folder / "token").write_text(text)
        async with asyncio.timeout(5):
            await reloaded.wait()
        reloaded.clear()
    following.cancel()


@pytest.mark.medium
async def test_a_relay_told_to_watch_takes_a_new_configuration_without_a_restart(
    tmp_path: Path,
) -> None:
    config = tmp_path / "relay.yml"
    config.write_text("route: {receiver: ops}\nreceivers: [{name: ops}]\n")
    async with processes(tmp_path) as running:
        relay = await running.start(
            "relay", sys.executable, "-P", "-m", "relay", "serve", f"--config.file={config}",
            f"--storage.path={tmp_path / 'data'}", "--web.listen-address=127.0.0.1:0",
            "--config.auto-reload-interval=50ms",
        )  # fmt: skip
        await until("the relay listens", lambda: listens(relay))
        assert relay.output.count('msg="configuration loaded"') == 1
        config.write_text("route: {receiver: dba}\nreceivers: [{name: dba}]\n")
        await until(
            "it is loaded again", lambda: relay.output.count('msg="configuration loaded"') == 2
        )
        config.write_text("route: {receiver: nobody}\nreceivers: [{name: dba}]\n")
        await until(
            "a bad one is refused",
            lambda: "configuration rejected, the old one stays in force" in relay.output,
        )
