"""`overflow: document`: what a message only counts comes as a file under it, once a round."""

import pytest
from msgspec.structs import replace

from relay.core.routing.lane import Policy
from relay.sandbox.faults import PlatformName, Refusal
from relay.sandbox.multipart import File
from tests.build import POLICY, T0, alert, notification
from tests.world import CHANNEL, CHAT, World, discord_target, telegram_target

PLATFORMS: tuple[PlatformName, ...] = ("telegram", "discord")
DOCUMENT = replace(POLICY, overflow="document")
MANY = tuple(alert(f"db-{number:03}.example.org") for number in range(150))


def world(platform: PlatformName, policy: Policy = DOCUMENT) -> World:
    return World(
        telegram_target(policy=policy) if platform == "telegram" else discord_target(policy)
    )


def files(world: World) -> list[File]:
    """The files in both chats."""
    telegram = [message.document for message in world.telegram.messages(CHAT) if message.document]
    return telegram + [
        file for message in world.discord.messages(CHANNEL) for file in message.files
    ]


@pytest.mark.parametrize("platform", PLATFORMS)
async def test_the_whole_list_follows_a_message_that_only_counts(platform: PlatformName) -> None:
    run = world(platform)
    await run.post(notification(*MANY))
    await run.run(until=30)
    (file,) = files(run)
    text = file.content.decode()
    assert file.name == "alerts.txt"
    assert [
        each.fingerprint for each in MANY if f"instance: {each.fingerprint}\n" not in text
    ] == []
    assert "🟠 warning Disk" in text
    assert "summary: db-149.example.org is nearly full" in text
    assert [(row.delivered, row.pending) for row in run.balance()] == [(1, 0)]


async def test_on_telegram_it_is_a_silent_reply_that_says_how_many() -> None:
    run = world("telegram")
    await run.post(notification(*MANY))
    await run.run(until=30)
    card, listed = run.telegram.messages(CHAT)
    assert (listed.text, listed.reply_to, listed.silent) == ("150 alerts", card.id, True)


@pytest.mark.medium
@pytest.mark.parametrize("platform", PLATFORMS)
async def test_a_round_gets_one_list_and_the_next_round_another(platform: PlatformName) -> None:
    run = world(platform)
    over = tuple(alert(each.fingerprint, "resolved", ends=T0 + 200) for each in MANY)
    again = tuple(alert(each.fingerprint, at=T0 + 400) for each in MANY)
    seen = []
    for at, told in ((0, MANY), (100, MANY[:140]), (200, over), (400, again)):
        run.now = T0 + at
        await run.post(notification(*told))
        await run.run(until=at + 60)
        seen.append(len(files(run)))
    assert seen == [1, 1, 1, 2]


@pytest.mark.parametrize("platform", PLATFORMS)
async def test_what_a_message_holds_needs_no_file(platform: PlatformName) -> None:
    run = world(platform)
    await run.post(notification(*MANY[:3]))
    counting = world(platform, POLICY)
    await counting.post(notification(*MANY))
    for each in (run, counting):
        await each.run(until=30)
        assert files(each) == []


@pytest.mark.parametrize("platform", PLATFORMS)
async def test_a_file_that_is_refused_takes_nothing_from_the_message(
    platform: PlatformName,
) -> None:
    run = world(platform)
    too_large = Refusal(413, "Request Entity Too Large", 40005)
    run.faults.add(platform, "*", "refused", since=T0 + 0.001, count=1, refusal=too_large)
    run.faults.add(platform, "*", "slow", until=T0 + 0.001, seconds=1)
    await run.post(notification(*MANY))
    await run.run(until=60)
    assert files(run) == []
    assert len(run.faults.struck) == 2
    assert [(row.delivered, row.pending) for row in run.balance()] == [(1, 0)]
