-- When the message of a card was posted; NULL: it has none.
ALTER TABLE card ADD COLUMN posted_at REAL;
UPDATE card SET posted_at = json_extract(CAST(body AS TEXT), '$.shown.posted_at')
    WHERE json_valid(CAST(body AS TEXT));

-- What is known of an alert that left a list of Alertmanager's: a payload of its group, or the suppressed alerts.
CREATE TABLE presence (
    source TEXT NOT NULL,
    alert TEXT NOT NULL,
    body BLOB NOT NULL,
    PRIMARY KEY (source, alert)
) WITHOUT ROWID;

-- What the alert is, hashed: alerts with the same one have one line (core/alert.py: thing_key).
ALTER TABLE standing ADD COLUMN thing TEXT NOT NULL DEFAULT '';
CREATE INDEX standing_thing ON standing (source, thing, lane) WHERE thing != '';
-- Labels that make no new alert for the chat, and for how long (JSON); NULL: none.
ALTER TABLE delivery ADD COLUMN ignoring BLOB;

-- Who pressed (`PLATFORM ID`): how often somebody did lately is asked with each press.
ALTER TABLE press ADD COLUMN person TEXT NOT NULL DEFAULT '';
CREATE INDEX press_person ON press (person, at);
