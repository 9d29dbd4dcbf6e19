-- One notification (or part of one), encoded once, whatever the number of its chats.
CREATE TABLE payload (
    id INTEGER PRIMARY KEY,
    accepted_at REAL NOT NULL,
    body BLOB NOT NULL
);

-- last_seq orders the lane's deliveries; state is what was learnt of the chat.
CREATE TABLE lane (
    id INTEGER PRIMARY KEY,
    key TEXT NOT NULL UNIQUE,
    last_seq INTEGER NOT NULL DEFAULT 0,
    state BLOB NOT NULL
);

-- What one chat gets of one payload. card is NULL until folded; settlement is NULL while pending. receiver says whose
-- policy shapes it, owner under whose name it counts: they differ for a copy to a fallback. copied: one was made.
-- retried: the seq of the delivery that an operator had made of a dead one.
CREATE TABLE delivery (
    lane INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    payload INTEGER NOT NULL,
    receiver TEXT NOT NULL,
    owner TEXT NOT NULL,
    grp TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    alerts BLOB,
    accepted_at REAL NOT NULL,
    card INTEGER,
    settlement TEXT,
    why TEXT NOT NULL DEFAULT '',
    copied INTEGER NOT NULL DEFAULT 0,
    retried INTEGER,
    PRIMARY KEY (lane, seq)
) WITHOUT ROWID;
CREATE INDEX delivery_open ON delivery (lane, seq) WHERE card IS NULL AND settlement IS NULL;
CREATE INDEX delivery_pending ON delivery (card, seq) WHERE card IS NOT NULL AND settlement IS NULL;
CREATE INDEX delivery_owner ON delivery (owner, lane, accepted_at) WHERE settlement IS NULL;
CREATE INDEX delivery_ended ON delivery (accepted_at) WHERE settlement IS NOT NULL;
CREATE INDEX delivery_dead ON delivery (owner, lane, accepted_at) WHERE settlement = 'dead' AND retried IS NULL;
CREATE INDEX delivery_payload ON delivery (payload);

-- The message of one group (or alert) in one chat. due: when to look at it next; waiting_since: age of what it owes;
-- posted: it has a message; absorbed: the lane's digest shows it instead, by its line.
CREATE TABLE card (
    id INTEGER PRIMARY KEY,
    lane INTEGER NOT NULL,
    grp TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    due REAL,
    urgent INTEGER NOT NULL,
    waiting_since REAL,
    posted INTEGER NOT NULL,
    firing INTEGER NOT NULL,
    closed INTEGER NOT NULL,
    absorbed INTEGER NOT NULL DEFAULT 0,
    line BLOB NOT NULL,
    body BLOB NOT NULL,
    UNIQUE (lane, grp, fingerprint)
);
CREATE INDEX card_due ON card (lane, due) WHERE due IS NOT NULL;
CREATE INDEX card_absorbed ON card (lane) WHERE absorbed = 1;

-- Cards that an absent alert of their group concerns: not closed yet, or not folded yet. stands_for: the lane whose
-- deliveries of the group are copied here while it could not be reached, and until the copied card closes.
CREATE TABLE watch (
    grp TEXT NOT NULL,
    lane INTEGER NOT NULL,
    fingerprint TEXT NOT NULL,
    receiver TEXT NOT NULL,
    owner TEXT NOT NULL,
    stands_for INTEGER,
    PRIMARY KEY (grp, lane, fingerprint)
) WITHOUT ROWID;

-- A call begun and not settled.
CREATE TABLE attempt (
    lane INTEGER PRIMARY KEY,
    body BLOB NOT NULL
);

CREATE TABLE budget (
    key TEXT PRIMARY KEY,
    body BLOB NOT NULL
) WITHOUT ROWID;

-- A call that a budget did not let go: due is when it may, since how long its card waits.
CREATE TABLE wish (
    key TEXT NOT NULL,
    lane INTEGER NOT NULL,
    urgent INTEGER NOT NULL,
    since REAL NOT NULL,
    due REAL NOT NULL,
    PRIMARY KEY (key, lane)
) WITHOUT ROWID;
CREATE INDEX wish_lane ON wish (lane);

-- accepted, delivered, merged, duplicate, expired, dead; pending is counted from the rows themselves.
CREATE TABLE counter (
    platform TEXT NOT NULL,
    receiver TEXT NOT NULL,
    name TEXT NOT NULL,
    value INTEGER NOT NULL,
    PRIMARY KEY (platform, receiver, name)
) WITHOUT ROWID;

-- How far a Telegram bot has listened. The key of a bot, here and below, is its address and id.
CREATE TABLE bot (
    key TEXT PRIMARY KEY,
    body BLOB NOT NULL
) WITHOUT ROWID;

-- The registry of groups and channels that bots were seen in.
CREATE TABLE chat (
    bot TEXT NOT NULL,
    chat TEXT NOT NULL,
    body BLOB NOT NULL,
    PRIMARY KEY (bot, chat)
) WITHOUT ROWID;

-- Invitations; of the token that opens one only the hash is kept.
CREATE TABLE invite (
    id TEXT PRIMARY KEY,
    bot TEXT NOT NULL,
    hash TEXT NOT NULL UNIQUE,
    expires_at REAL NOT NULL,
    body BLOB NOT NULL
);

-- Chats that get alerts because somebody there opened an invitation.
CREATE TABLE subscription (
    id TEXT PRIMARY KEY,
    bot TEXT NOT NULL,
    chat TEXT NOT NULL,
    body BLOB NOT NULL
);
CREATE INDEX subscription_chat ON subscription (bot, chat);

-- Answers to commands that wait to be sent.
CREATE TABLE saying (
    id INTEGER PRIMARY KEY,
    bot TEXT NOT NULL,
    at REAL NOT NULL,
    body BLOB NOT NULL
);
