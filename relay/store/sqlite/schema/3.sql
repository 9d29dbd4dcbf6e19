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

-- called_at: when the lane's last call began. limited_since and limited_until: budgets made it wait. retry_at: it makes
-- no call before, after a failure.
ALTER TABLE lane ADD COLUMN called_at REAL NOT NULL DEFAULT 0;
ALTER TABLE lane ADD COLUMN limited_since REAL NOT NULL DEFAULT 0;
ALTER TABLE lane ADD COLUMN limited_until REAL NOT NULL DEFAULT 0;
ALTER TABLE lane ADD COLUMN retry_at REAL NOT NULL DEFAULT 0;
CREATE INDEX lane_retry ON lane (retry_at) WHERE retry_at > 0;

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
