"""The menu of durations: where a message that one person sees may be asked for."""

from collections.abc import Callable
from typing import TypeVar, cast

import pytest

from relay.active_config import CurrentConfig
from relay.bot.menus import MenuStore, SilenceMenus
from relay.core.action.press import SilenceMenu
from relay.core.action.pressed import ButtonData
from relay.core.bot.account import Bot
from relay.core.bot.update import CallbackQuery, ChatInfo, ChatKind, Topic
from relay.core.routing.lane import HttpOptions
from relay.core.secret import Secret
from relay.platforms.http import NoAnswer, Request

T = TypeVar("T")
BOT = Bot("https://api.telegram.org", "7", Secret("7:canary"), HttpOptions(), "polling", "")


class Transactions:
    async def run(self, job: Callable[[], T]) -> T:
        return job()

    async def run_unsynced(self, job: Callable[[], T]) -> T:
        return job()


@pytest.mark.parametrize(
    ("kind", "is_asked"),
    [("private", False), ("channel", False), ("group", True), ("supergroup", True)],
)
async def test_only_a_group_is_asked_for_messages_that_one_person_sees(
    kind: ChatKind, *, is_asked: bool
) -> None:
    asked: list[Request] = []

    async def exchange(request: Request) -> NoAnswer:
        asked.append(request)
        return NoAnswer(sent=False, why="away")

    async def count(*_: object) -> None:
        return None

    store, config = cast("MenuStore", None), cast("CurrentConfig", None)
    menus = SilenceMenus(
        store, Transactions(), exchange, lambda: 0.0, lambda _: None, config, count
    )
    query = CallbackQuery(
        1, "q1", ChatInfo("-1001", kind, "Ops"), Topic(), "5", 12, "Anna", "en", "1m.abc"
    )
    menu = SilenceMenu("", ButtonData("menu", "card", 1), (), 3600.0)
    assert not await menus.offered(BOT, query, menu)
    assert bool(asked) == is_asked
