"""Calls to a platform, for verbs that make a few."""

import asyncio

from relay.delivery.transport import Transport
from relay.platforms.http import NoAnswer, Request, Response
from relay.platforms.telegram import bot as telegram_bot
from relay.platforms.telegram.bot import Refusal, Result


def exchange(request: Request) -> Response | NoAnswer:
    return asyncio.run(_exchange(request))


async def _exchange(request: Request) -> Response | NoAnswer:
    transport = Transport()
    try:
        return await transport.send(request)
    finally:
        await transport.close()


def called(request: Request) -> Result | Refusal:
    return telegram_bot.result_of(exchange(request))
