-- Whether a card has something to do now is a fact of it: ready. Cards whose time is to come are moved when the first
-- of them is due, so that a turn reads the card it is about and no other, however many wait.
ALTER TABLE card ADD COLUMN ready INTEGER NOT NULL DEFAULT 0;

-- The lanes of one chat, over all its threads, have the number of the first of them.
ALTER TABLE lane ADD COLUMN chat INTEGER NOT NULL DEFAULT 0;
UPDATE lane SET chat = (SELECT min(other.id) FROM lane AS other
    WHERE json_remove(CAST(other.key AS TEXT), '$.thread') = json_remove(CAST(lane.key AS TEXT), '$.thread'));
ALTER TABLE card ADD COLUMN chat INTEGER NOT NULL DEFAULT 0;
UPDATE card SET chat = (SELECT chat FROM lane WHERE lane.id = card.lane);

DROP INDEX card_due;
CREATE INDEX card_future ON card (lane, due) WHERE ready = 0 AND due IS NOT NULL;
CREATE INDEX card_ready ON card (lane, urgent DESC, waiting_since, due) WHERE ready = 1;
CREATE INDEX card_waiting ON card (chat, lane) WHERE ready = 1 AND absorbed = 0;
CREATE INDEX card_firing ON card (grp) WHERE firing = 1;

-- Why deliveries ended is a value, of which a sentence is made where people read it.
UPDATE delivery SET why = 'routed_again' WHERE why = 'routed once more';
UPDATE delivery SET why = 'dropped' WHERE why = 'dropped by the operator';
