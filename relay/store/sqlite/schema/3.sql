-- The configurations that were in force, and since when.
CREATE TABLE config (
    generation INTEGER PRIMARY KEY,
    hash TEXT NOT NULL,
    since REAL NOT NULL
);

-- generation: the configuration that routed the payload. discarded: alerts that reached no chat, by route. last: no
-- part of it is to follow, so that alerts of its group that were not listed are absent. bare: the bytes of one from
-- which no delivery came; 0: some did, or it was not spread yet.
ALTER TABLE payload ADD COLUMN source TEXT NOT NULL DEFAULT '';
ALTER TABLE payload ADD COLUMN generation INTEGER NOT NULL DEFAULT 0;
ALTER TABLE payload ADD COLUMN discarded BLOB;
ALTER TABLE payload ADD COLUMN last INTEGER NOT NULL DEFAULT 1;
ALTER TABLE payload ADD COLUMN bare INTEGER NOT NULL DEFAULT 0;
CREATE INDEX payload_bare ON payload (id, bare) WHERE bare > 0;
UPDATE payload SET source = coalesce(json_extract(CAST(body AS TEXT), '$.source'), '')
    WHERE json_valid(CAST(body AS TEXT));
-- The alert names of payloads, by which their history is found.
CREATE TABLE payload_name (
    name TEXT NOT NULL,
    payload INTEGER NOT NULL,
    PRIMARY KEY (name, payload)
) WITHOUT ROWID;
CREATE INDEX payload_name_payload ON payload_name (payload);
INSERT OR IGNORE INTO payload_name
    SELECT coalesce(nullif(json_extract(alert.value, '$.labels.alertname'), ''), 'unnamed alert'), payload.id
    FROM payload JOIN json_each(CASE WHEN json_valid(CAST(body AS TEXT)) THEN CAST(body AS TEXT) ELSE '{}' END,
        '$.alerts') AS alert;
CREATE INDEX payload_accepted ON payload (accepted_at);
-- When each source was last heard.
CREATE TABLE heard (
    source TEXT PRIMARY KEY,
    at REAL NOT NULL
) WITHOUT ROWID;
INSERT INTO heard SELECT source, max(accepted_at) FROM payload GROUP BY source;
-- What was refused at the door: 400, 401, 404, 413, 503.
CREATE TABLE refusal (
    id INTEGER PRIMARY KEY,
    at REAL NOT NULL,
    source TEXT NOT NULL,
    code INTEGER NOT NULL,
    why TEXT NOT NULL,
    size INTEGER NOT NULL,
    peer TEXT NOT NULL
);

-- route: the position of the route that led here, and its place in the file. into: the seq of the delivery into which
-- this one was merged, or of which it is a duplicate. message: where the message that shows it stands in the chat.
ALTER TABLE delivery ADD COLUMN route TEXT NOT NULL DEFAULT '';
ALTER TABLE delivery ADD COLUMN ended_at REAL;
ALTER TABLE delivery ADD COLUMN into_seq INTEGER;
ALTER TABLE delivery ADD COLUMN message BLOB;
-- Deliveries are folded in the order in which their payloads were accepted.
DROP INDEX delivery_open;
CREATE INDEX delivery_open ON delivery (lane, payload, seq) WHERE card IS NULL AND settlement IS NULL;

-- Up to which payload other lanes than those of its routes have heard of it.
CREATE TABLE progress (
    name TEXT PRIMARY KEY,
    value INTEGER NOT NULL
) WITHOUT ROWID;
INSERT INTO progress SELECT 'spread', coalesce(max(id), 0) FROM payload;

-- On which card of a lane an alert (source, fingerprint) has its line; fires: it fired when last folded.
CREATE TABLE standing (
    source TEXT NOT NULL,
    alert TEXT NOT NULL,
    lane INTEGER NOT NULL,
    grp TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    receiver TEXT NOT NULL,
    owner TEXT NOT NULL,
    fallback_for INTEGER,
    fires INTEGER NOT NULL,
    ended_at REAL,
    PRIMARY KEY (source, alert, lane)
) WITHOUT ROWID;
CREATE INDEX standing_card ON standing (lane, grp, fingerprint);

-- Cards that an absent alert of a group (grp) concerns: not closed yet, or not folded yet. home: the card's own group.
-- fallback_for: the lane whose deliveries are copied here while it cannot be reached, and until the copied card closes.
CREATE TABLE watched (
    grp TEXT NOT NULL,
    lane INTEGER NOT NULL,
    home TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    receiver TEXT NOT NULL,
    owner TEXT NOT NULL,
    fallback_for INTEGER,
    PRIMARY KEY (grp, lane, home, fingerprint)
) WITHOUT ROWID;
CREATE INDEX watched_home ON watched (lane, home, fingerprint);
INSERT INTO watched SELECT grp, lane, grp, fingerprint, receiver, owner, stands_for FROM watch;
DROP TABLE watch;
-- The older of two cards that show one alert keeps it.
INSERT OR IGNORE INTO standing
    SELECT json_extract(card.grp, '$.source'), json_extract(entry.value, '$.fingerprint'), card.lane, card.grp,
        card.fingerprint, watched.receiver, watched.owner, watched.fallback_for, 1, NULL
    FROM card
    JOIN watched ON watched.lane = card.lane AND watched.home = card.grp AND watched.grp = card.grp
        AND watched.fingerprint = card.fingerprint
    JOIN json_each(CAST(card.body AS TEXT), '$.entries') AS entry
    WHERE card.firing = 1 AND json_valid(CAST(card.body AS TEXT))
        AND json_extract(entry.value, '$.status') = 'firing'
    ORDER BY card.id;

-- When an alert fired, kept for seven days after its end.
CREATE TABLE episode (
    source TEXT NOT NULL,
    alert TEXT NOT NULL,
    started_at REAL NOT NULL,
    ended_at REAL NOT NULL,
    PRIMARY KEY (source, alert, started_at)
) WITHOUT ROWID;
CREATE INDEX episode_ended ON episode (ended_at);

CREATE INDEX card_open ON card (id) WHERE firing = 1;
-- Where a card's message stands in its chat: a press names the message.
ALTER TABLE card ADD COLUMN message TEXT NOT NULL DEFAULT '';
CREATE INDEX card_message ON card (lane, message) WHERE message != '';

-- Who has taken an alert. ended_at: its episode ended then; the row stays for a while, since it may flap.
CREATE TABLE take (
    source TEXT NOT NULL,
    alert TEXT NOT NULL,
    ended_at REAL,
    body BLOB NOT NULL,
    PRIMARY KEY (source, alert)
) WITHOUT ROWID;

-- A silence, or the end of one, that was asked for. id: the action id in its comment; due: its next call.
CREATE TABLE silencing (
    id TEXT PRIMARY KEY,
    source TEXT NOT NULL,
    state TEXT NOT NULL,
    due REAL,
    asked_at REAL NOT NULL,
    body BLOB NOT NULL
);
CREATE INDEX silencing_due ON silencing (source, due) WHERE due IS NOT NULL;

-- Each press of a button. key: the platform's own id of it.
CREATE TABLE press (
    id INTEGER PRIMARY KEY,
    key TEXT NOT NULL UNIQUE,
    at REAL NOT NULL,
    source TEXT NOT NULL,
    alert TEXT NOT NULL,
    body BLOB NOT NULL
);
CREATE INDEX press_at ON press (at);

-- What Alertmanager says of the alerts that open cards show: silenced or inhibited.
CREATE TABLE suppressed (
    source TEXT NOT NULL,
    alert TEXT NOT NULL,
    until REAL,
    body BLOB NOT NULL,
    PRIMARY KEY (source, alert)
) WITHOUT ROWID;

-- How far an alert's escalation is; due: its next step.
CREATE TABLE escalation (
    receiver TEXT NOT NULL,
    source TEXT NOT NULL,
    alert TEXT NOT NULL,
    lane INTEGER NOT NULL,
    due REAL,
    body BLOB NOT NULL,
    PRIMARY KEY (receiver, source, alert)
) WITHOUT ROWID;
CREATE INDEX escalation_due ON escalation (due) WHERE due IS NOT NULL;

-- A heartbeat; by_values: the values of its `by` labels, as a JSON list.
CREATE TABLE heartbeat (
    name TEXT NOT NULL,
    by_values TEXT NOT NULL,
    seen_at REAL NOT NULL,
    body BLOB NOT NULL,
    PRIMARY KEY (name, by_values)
) WITHOUT ROWID;

-- The key that authenticates buttons, and when the relay last ran.
CREATE TABLE single (
    name TEXT PRIMARY KEY,
    body BLOB NOT NULL
) WITHOUT ROWID;

-- The session of a Discord application at the Gateway.
CREATE TABLE gateway (
    application TEXT PRIMARY KEY,
    body BLOB NOT NULL
) WITHOUT ROWID;

-- A question to a person whose answer is a message.
CREATE TABLE question (
    bot TEXT NOT NULL,
    chat TEXT NOT NULL,
    message TEXT NOT NULL,
    expires_at REAL NOT NULL,
    body BLOB NOT NULL,
    PRIMARY KEY (bot, chat, message)
) WITHOUT ROWID;

-- rank: of the card's next step, by what it tells. in_digest: the lane's digest names or counts it, beside a message of
-- its own or in place of one (absorbed). named: by a line of its own. rung: the digest made a sound since it was urgent.
ALTER TABLE card ADD COLUMN rank INTEGER NOT NULL DEFAULT 0;
ALTER TABLE card ADD COLUMN in_digest INTEGER NOT NULL DEFAULT 0;
ALTER TABLE card ADD COLUMN named INTEGER NOT NULL DEFAULT 0;
ALTER TABLE card ADD COLUMN rung INTEGER NOT NULL DEFAULT 0;
UPDATE card SET in_digest = absorbed;
DROP INDEX card_ready;
CREATE INDEX card_ready ON card (lane, rank, waiting_since, due) WHERE ready = 1;
DROP INDEX card_waiting;
CREATE INDEX card_waiting ON card (chat, lane, rank) WHERE ready = 1 AND absorbed = 0;
DROP INDEX card_absorbed;
CREATE INDEX card_in_digest ON card (lane) WHERE in_digest = 1;

-- called_at: when the lane's last call began. attempts: how many failed since one got through.
ALTER TABLE lane ADD COLUMN called_at REAL NOT NULL DEFAULT 0;
ALTER TABLE lane ADD COLUMN attempts INTEGER NOT NULL DEFAULT 0;

-- A call that a budget did not let go: rank says what it tells, called_at when its lane called last, since how long its
-- card waits, due when it may go.
DROP TABLE wish;
CREATE TABLE wish (
    key TEXT NOT NULL,
    lane INTEGER NOT NULL,
    rank INTEGER NOT NULL,
    called_at REAL NOT NULL,
    since REAL NOT NULL,
    due REAL NOT NULL,
    PRIMARY KEY (key, lane)
) WITHOUT ROWID;
CREATE INDEX wish_lane ON wish (lane);
