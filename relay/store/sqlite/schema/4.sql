-- What is known of an alert that left a list of Alertmanager's: a payload of its group, or the suppressed alerts.
CREATE TABLE presence (
    source TEXT NOT NULL,
    alert TEXT NOT NULL,
    body BLOB NOT NULL,
    PRIMARY KEY (source, alert)
) WITHOUT ROWID;
