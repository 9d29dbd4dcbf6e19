"""Every answer of Telegram with its outcome. The first row that matches decides; docs/errors.md has
the same table.

The descriptions are those of telegram-bot-api/Client.cpp of tdlib/telegram-bot-api. They decide
before the status, since the server turns some 403 into 400.
"""

from relay.platforms.answer import ErrorRow, behind, between

ERRORS: tuple[ErrorRow, ...] = (
    ErrorRow(
        "Delivered",
        "an edit without change",
        words=("message is not modified",),
    ),
    ErrorRow(
        "RateLimited",
        "too many calls",
        statuses=(429, 429),
    ),
    ErrorRow(
        "Moved",
        "the group became a supergroup",
        words=("group chat was upgraded to a supergroup",),
    ),
    ErrorRow(
        "Rejected",
        "the markup is refused",
        words=("can't parse entities", "can't parse messageentity", "unsupported parse_mode"),
    ),
    ErrorRow(
        "Rejected",
        "the message is too long, or has too much in it",
        words=(
            "message is too long",
            "message_too_long",
            "text is too long",
            "reply markup is too long",
        ),
    ),
    ErrorRow(
        "Rejected",
        "nothing is left of the message",
        words=("message text is empty", "text must be non-empty"),
    ),
    ErrorRow(
        "MessageGone",
        "the message is deleted, or not ours",
        words=(
            "message to edit not found",
            "message can't be edited",
            "message to be replied not found",
            "message to reply not found",
            "message_id_invalid",
        ),
    ),
    ErrorRow(
        "ThreadGone",
        "the topic is deleted or closed",
        words=("message thread not found", "topic_closed", "topic_deleted", "topic_id_invalid"),
    ),
    ErrorRow(
        "ChatDown, left",
        "the person blocked the bot, or the group removed it or was deleted",
        words=(
            "bot was blocked by the user",
            "user is deactivated",
            "bot was kicked",
            "bot is not a member",
            "group chat was deleted",
        ),
    ),
    ErrorRow(
        "ChatDown",
        "the chat accepts no messages: the id is wrong, or the bot may not write",
        words=(
            "chat not found",
            "chat_write_forbidden",
            "chat_restricted",
            "channel_private",
            "group chat was deactivated",
            "need administrator rights",
            "not enough rights",
            "have no rights to send",
            "bot can't initiate conversation",
            "peer_id_invalid",
        ),
    ),
    ErrorRow(
        "Unavailable",
        "another program polls this bot, or a webhook is set",
        statuses=(409, 409),
    ),
    *between("Telegram"),
    ErrorRow(
        "BotDown",
        "the token is wrong or revoked",
        statuses=(401, 401),
    ),
    ErrorRow(
        "Rejected",
        "the method or a part of it is newer than this server",
        statuses=(404, 404),
        words=("method not found",),
    ),
    ErrorRow(
        "BotDown",
        "the address or the token is malformed",
        statuses=(404, 404),
    ),
    ErrorRow(
        "BotDown",
        "the wrong data centre or server",
        statuses=(421, 421),
    ),
    ErrorRow(
        "ChatDown",
        "the chat is forbidden",
        statuses=(403, 403),
    ),
    ErrorRow(
        "Rejected",
        "the message is refused",
        statuses=(400, 499),
    ),
    ErrorRow(
        "Unavailable",
        "Telegram is down or restarts",
        statuses=(500, 599),
        own=True,
    ),
    *behind("Telegram"),
)
