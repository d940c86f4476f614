-- The protocol of a message and the decision machine of a filing, as
-- declare/protocol.go has them: any other change is refused, whoever asks.

-- +goose Up

-- +goose StatementBegin
CREATE FUNCTION refuse_step() RETURNS trigger LANGUAGE plpgsql AS
$$
BEGIN
    RAISE EXCEPTION 'no such step of a %', TG_TABLE_NAME USING ERRCODE = 'check_violation', CONSTRAINT = TG_NAME;
END
$$;
-- +goose StatementEnd

CREATE TRIGGER message_delivery_step BEFORE UPDATE OF delivery ON message FOR EACH ROW
WHEN (OLD.delivery <> NEW.delivery AND (OLD.delivery, NEW.delivery) NOT IN (
    ('queued', 'sending'), ('unsure', 'sending'),
    ('sending', 'queued'), ('sending', 'unsure'), ('sending', 'delivered'), ('sending', 'refused'), ('sending', 'setAside'),
    ('queued', 'delivered'), ('unsure', 'delivered'), ('setAside', 'delivered'), -- a notice, or an officer
    ('unsure', 'queued'), ('setAside', 'queued'), ('unsure', 'refused'), ('setAside', 'refused'))) -- an officer
EXECUTE FUNCTION refuse_step();

-- A lease is known by its epoch: one that fell would let an old holder settle.
CREATE TRIGGER message_epoch_step BEFORE UPDATE OF epoch ON message FOR EACH ROW
WHEN (NEW.epoch < OLD.epoch)
EXECUTE FUNCTION refuse_step();

-- A final decision gives way to another final one, or where a word reopens, or
-- where it rested on one that counts only while nothing is decided.
-- +goose StatementBegin
CREATE FUNCTION refuse_unless_reopened() RETURNS trigger LANGUAGE plpgsql AS
$$
BEGIN
    IF EXISTS (SELECT FROM notice
                WHERE tenant_id = NEW.tenant_id AND declaration_id = NEW.declaration_id AND declaration_id <> '' AND agency = NEW.agency AND (reopens OR opens)) THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'a final decision was not reopened' USING ERRCODE = 'check_violation', CONSTRAINT = TG_NAME;
END
$$;
-- +goose StatementEnd

CREATE TRIGGER filing_decision_undone BEFORE UPDATE OF decision ON filing FOR EACH ROW
WHEN (OLD.decision <> 'none' AND NEW.decision = 'none')
EXECUTE FUNCTION refuse_step();

CREATE TRIGGER filing_decision_reopened BEFORE UPDATE OF decision ON filing FOR EACH ROW
WHEN (OLD.decision IN ('closed', 'rejected', 'cancelled') AND NEW.decision NOT IN ('none', 'closed', 'rejected', 'cancelled'))
EXECUTE FUNCTION refuse_unless_reopened();
