"""Every answer of Discord with its outcome. The first row that matches decides; docs/errors.md has
the same table.

The codes are those of https://docs.discord.com/developers/topics/opcodes-and-status-codes; they
decide before the status, which the documentation does not give.
"""

from relay.platforms.answer import ErrorRow, behind, between

ERRORS: tuple[ErrorRow, ...] = (
    ErrorRow(
        "ChatDown, for ever",
        "the webhook is deleted",
        codes=(10015,),
    ),
    ErrorRow(
        "BotDown, for ever",
        "the token of the webhook is wrong",
        codes=(50027,),
    ),
    ErrorRow("BotDown", "the token of the bot is wrong", codes=(50014,)),
    ErrorRow("MessageGone", "the message is deleted", codes=(10008,)),
    ErrorRow(
        "MessageGone",
        "the message is older than an hour and was edited too often",
        codes=(30046,),
    ),
    ErrorRow(
        "ThreadGone",
        "the thread is deleted, locked, or cannot be opened",
        codes=(10003, 160005, 50083),
    ),
    ErrorRow(
        "ChatDown",
        "a forum channel needs a thread, or another channel takes none",
        codes=(220001, 220002, 220003),
    ),
    ErrorRow(
        "ChatDown",
        "no access, or no right to write",
        codes=(50001, 50013),
    ),
    ErrorRow(
        "ChatDown",
        "no more threads can be made or opened",
        codes=(160006, 30047),
    ),
    ErrorRow(
        "Rejected",
        "something in the message is refused",
        codes=(50035, 50006, 240000, 40005, 50045),
    ),
    ErrorRow(
        "Unavailable",
        "Cloudflare refuses, often for the User-Agent",
        codes=(40333,),
    ),
    ErrorRow(
        "RateLimited",
        "slow mode, or too many messages in the channel or server",
        codes=(20016, 20028, 20029),
    ),
    ErrorRow(
        "RateLimited",
        "too many calls",
        statuses=(429, 429),
    ),
    ErrorRow("Unavailable", "Discord is overloaded", codes=(130000,)),
    *between("Discord"),
    ErrorRow(
        "BotDown",
        "the token of the webhook is refused, without the code for a wrong one",
        statuses=(401, 401),
    ),
    ErrorRow(
        "ChatDown",
        "the webhook is not found, without the code for a deleted one",
        statuses=(404, 404),
    ),
    ErrorRow(
        "ChatDown",
        "forbidden",
        statuses=(403, 405),
    ),
    ErrorRow(
        "Rejected",
        "the message is refused",
        statuses=(400, 499),
    ),
    ErrorRow(
        "Unavailable",
        "Discord is down or overloaded",
        statuses=(500, 599),
        own=True,
    ),
    *behind("Discord"),
)
