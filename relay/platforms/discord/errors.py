"""Every answer of Discord and what is done: the first row that fits decides; docs/errors.md shows
the same table.

The codes are those of https://docs.discord.com/developers/topics/opcodes-and-status-codes; they
decide before the status, which the documentation does not give.
"""

from relay.platforms.answer import Row

ROWS: tuple[Row, ...] = (
    Row(
        "ChatDown, for ever",
        "the webhook is deleted",
        "never called again: repeated calls end in a restriction; the receiver's fallback, a "
        "notice",
        codes=(10015,),
    ),
    Row(
        "BotDown, for ever",
        "the token of the webhook or bot is wrong",
        "never called again with this token; the receiver's fallback, a notice",
        codes=(50027, 50014),
    ),
    Row("MessageGone", "the message is deleted", "a new message", codes=(10008,)),
    Row(
        "MessageGone",
        "the message is older than an hour and was edited too often",
        "a new message",
        codes=(30046,),
    ),
    Row(
        "ThreadGone",
        "the thread is deleted, locked, or cannot be opened",
        "the channel without the thread, and a notice; in a forum a new post; without a thread "
        "the chat is down",
        codes=(10003, 160005, 50083),
    ),
    Row(
        "ChatDown",
        "a forum channel needs a thread, or another channel takes none",
        "the receiver's fallback, a notice (set thread_id or thread_name), rare probes",
        codes=(220001, 220002, 220003),
    ),
    Row(
        "ChatDown",
        "no access, or no right to write",
        "the receiver's fallback, a notice, rare probes",
        codes=(50001, 50013),
    ),
    Row(
        "ChatDown",
        "no more threads can be made or opened",
        "the receiver's fallback, a notice, rare probes",
        codes=(160006, 30047),
    ),
    Row(
        "Rejected",
        "something in the message is refused",
        "the same text as plain content at once; counted against the template",
        codes=(50035, 50006, 240000, 40005, 50045),
    ),
    Row(
        "Unavailable",
        "Cloudflare refuses, often for the User-Agent",
        "tried again, with growing pauses; a notice",
        codes=(40333,),
    ),
    Row(
        "RateLimited",
        "slow mode, or too many messages in the channel or server",
        "nothing to this channel before the time asked; it counts as no attempt",
        codes=(20016, 20028, 20029),
    ),
    Row(
        "RateLimited",
        "too many calls",
        "nothing before the time asked: to the webhook, its channel or from this address, by the "
        "scope it names; "
        "it counts as no attempt",
        statuses=(429, 429),
    ),
    Row(
        "Unavailable", "Discord is overloaded", "tried again, with growing pauses", codes=(130000,)
    ),
    Row(
        "BotDown, for ever",
        "the token of the webhook is wrong",
        "never called again with this token; the receiver's fallback, a notice",
        statuses=(401, 401),
        own=True,
    ),
    Row(
        "ChatDown, for ever",
        "the webhook does not exist",
        "never called again; the receiver's fallback, a notice",
        statuses=(404, 404),
        own=True,
    ),
    Row(
        "BotDown",
        "a proxy wants a login",
        "everything of this webhook waits, the fallback takes over, a notice; rare probes",
        statuses=(401, 401),
    ),
    Row(
        "BotDown",
        "a proxy wants a login",
        "everything of this webhook waits, the fallback takes over, a notice; rare probes",
        statuses=(407, 407),
    ),
    Row(
        "ChatDown",
        "forbidden, or not found",
        "the receiver's fallback, a notice, rare probes",
        statuses=(403, 405),
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
        "the same text as plain content at once; counted against the template",
        statuses=(400, 499),
    ),
    Row(
        "Unavailable",
        "Discord is down or overloaded",
        "tried again, with growing pauses, until `expire_after`",
        statuses=(500, 599),
        own=True,
    ),
    Row(
        "Unknown",
        "a gateway did not hear from Discord",
        "tried again, with growing pauses, marked as perhaps repeated",
        statuses=(504, 504),
    ),
    Row(
        "Unavailable",
        "a gateway could not reach Discord",
        "tried again, with growing pauses, until `expire_after`",
        statuses=(500, 599),
    ),
    Row("Delivered", "taken", "done", statuses=(200, 299), own=True),
    Row(
        "Unknown",
        "an answer that is not Discord's",
        "tried again, with growing pauses, marked as perhaps repeated",
        statuses=(200, 299),
    ),
    Row(
        "Unavailable",
        "an answer that is not Discord's",
        "tried again, with growing pauses, until `expire_after`",
    ),
)
