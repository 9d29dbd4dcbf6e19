"""A reload while a turn is under way: the turn goes on with the configuration that it read."""

from collections.abc import Callable
from typing import TypeVar

import pytest
from msgspec.structs import replace

from relay.core.event import TemplateFailed
from relay.core.routing.route import Route, Routing
from relay.core.template import template
from relay.core.template.template import Templates
from relay.delivery import pipeline
from tests.build import POLICY, alert, notification
from tests.world import CHAT, TEMPLATES, World, telegram_target

T = TypeVar("T")


async def test_a_template_that_a_reload_takes_away_is_still_there_for_the_turn_under_way(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    own, faults = template.compile({"mine.j2": "mine: {{ alerts[0].labels.instance }}"})
    assert faults == ()
    mine = telegram_target(policy=replace(POLICY, template="mine.j2"))
    world = World(mine)
    world.config.load(
        replace(world.config.current, templates=Templates({**TEMPLATES.by_name, **own.by_name}))
    )
    beside = pipeline._beside

    async def reloaded_meanwhile(alerts: int, work: Callable[[], T]) -> T:
        world.config.load(
            replace(
                world.config.current,
                templates=TEMPLATES,
                routing=Routing(Route("ops"), {"ops": (telegram_target(),)}),
            )
        )
        return await beside(alerts, work)

    monkeypatch.setattr(pipeline, "_beside", reloaded_meanwhile)
    await world.post(notification(alert("db-1")))
    await world.run(until=5)
    assert "mine: db-1" in world.telegram.transcript(CHAT)
    assert not [event for event in world.events if isinstance(event, TemplateFailed)]
