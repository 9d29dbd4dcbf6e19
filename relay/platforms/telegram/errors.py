"""Every answer of Telegram and what is done: the first row that fits decides; docs/errors.md shows
the same table.

The descriptions are those of telegram-bot-api/Client.cpp of tdlib/telegram-bot-api. They decide
before the status, since the server turns some 403 into 400.
"""

from relay.platforms.answer import Row

ROWS: tuple[Row, ...] = (
    Row(
        "Delivered",
        "an edit without change",
        "done: the chat shows it already",
        words=("message is not modified",),
    ),
    Row(
        "RateLimited",
        "too many calls",
        "nothing to this chat before the time asked, and nothing of this bot once a second chat "
        "is refused meanwhile; "
        "it counts as no attempt",
        statuses=(429, 429),
    ),
    Row(
        "Moved",
        "the group became a supergroup",
        "the new id is stored and the message goes there; the operator is told which line of the "
        "file to change",
        words=("group chat was upgraded to a supergroup",),
    ),
    Row(
        "Rejected",
        "the markup is refused",
        "the same text without any style at once; counted against the template",
        words=("can't parse entities", "can't parse messageentity", "unsupported parse_mode"),
    ),
    Row(
        "Rejected",
        "the message is too long, or has too much in it",
        "the same text without any style at once, shortened to the limit",
        words=(
            "message is too long",
            "message_too_long",
            "text is too long",
            "reply markup is too long",
        ),
    ),
    Row(
        "Rejected",
        "nothing is left of the message",
        "the built-in plain text at once",
        words=("message text is empty", "text must be non-empty"),
    ),
    Row(
        "Rejected",
        "the address of a button is refused",
        "the message at once without it, the address in the text",
        words=("inline keyboard button url",),
    ),
    Row(
        "MessageGone",
        "the message is deleted, or not ours",
        "a new message",
        words=(
            "message to edit not found",
            "message can't be edited",
            "message to be replied not found",
            "message to reply not found",
            "message_id_invalid",
        ),
    ),
    Row(
        "ThreadGone",
        "the topic is deleted or closed",
        "the chat without the topic, and a notice",
        words=("message thread not found", "topic_closed", "topic_deleted", "topic_id_invalid"),
    ),
    Row(
        "ChatDown",
        "the chat will not take messages: the id is wrong, or the bot is no member or may not "
        "write",
        "the receiver's fallback, a notice, rare probes",
        words=(
            "chat not found",
            "chat_write_forbidden",
            "chat_restricted",
            "channel_private",
            "bot was blocked by the user",
            "user is deactivated",
            "bot was kicked",
            "bot is not a member",
            "group chat was deleted",
            "group chat was deactivated",
            "need administrator rights",
            "not enough rights",
            "have no rights to send",
            "bot can't initiate conversation",
            "peer_id_invalid",
        ),
    ),
    Row(
        "Unavailable",
        "another program polls this bot, or a webhook is set",
        "the poller backs off and the operator is told; sending is tried again",
        statuses=(409, 409),
    ),
    Row(
        "BotDown",
        "the token is wrong or revoked",
        "everything of this bot waits, the fallbacks take over, a notice; rare probes with the "
        "token read again",
        statuses=(401, 401),
    ),
    Row(
        "Rejected",
        "the method or a part of it is newer than this server",
        "the same text without any style",
        statuses=(404, 404),
        words=("method not found",),
    ),
    Row(
        "BotDown",
        "the address or the token is malformed",
        "everything of this bot waits, the fallbacks take over, a notice; rare probes",
        statuses=(404, 404),
    ),
    Row(
        "BotDown",
        "the wrong data centre or server",
        "everything of this bot waits, the fallbacks take over, a notice; rare probes",
        statuses=(421, 421),
    ),
    Row(
        "ChatDown",
        "the chat is forbidden",
        "the receiver's fallback, a notice, rare probes",
        statuses=(403, 403),
    ),
    Row(
        "Unavailable",
        "a proxy gave up waiting for us",
        "tried again, with growing pauses",
        statuses=(408, 408),
    ),
    Row(
        "Rejected",
        "the message is refused",
        "the same text without any style at once; counted against the template",
        statuses=(400, 499),
    ),
    Row(
        "Unavailable",
        "Telegram is down or restarts",
        "tried again, with growing pauses, until `expire_after`",
        statuses=(500, 599),
        own=True,
    ),
    Row(
        "Unknown",
        "a gateway did not hear from Telegram",
        "tried again, with growing pauses, marked as perhaps repeated",
        statuses=(504, 504),
    ),
    Row(
        "Unavailable",
        "a gateway could not reach Telegram",
        "tried again, with growing pauses, until `expire_after`",
        statuses=(500, 599),
    ),
    Row("Delivered", "taken", "done", statuses=(200, 299), own=True),
    Row(
        "Unknown",
        "an answer that is not Telegram's",
        "tried again, with growing pauses, marked as perhaps repeated",
        statuses=(200, 299),
    ),
    Row(
        "Unavailable",
        "an answer that is not Telegram's",
        "tried again, with growing pauses, until `expire_after`",
    ),
)
