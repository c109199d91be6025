CREATE TABLE $S.taken (
	one       boolean PRIMARY KEY DEFAULT true CHECK (one),
	log       text        NOT NULL,
	after     bigint      NOT NULL,
	last      bigint      NOT NULL,
	consumers integer     NOT NULL,
	at        timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE FUNCTION $S.taken_over() RETURNS trigger LANGUAGE plpgsql AS $f$
BEGIN
	RAISE EXCEPTION 'the events of this schema went to log %, which goes on from position %', $L, $N USING ERRCODE = 'MS003';
END $f$;
-- Triggers, because every transaction sees them, however old its snapshot is; of rows
-- where callers may name the table of the ring.
CREATE TRIGGER taken_over BEFORE INSERT ON $S.event FOR EACH ROW EXECUTE FUNCTION $S.taken_over();
CREATE TRIGGER taken_over BEFORE INSERT OR UPDATE ON $S.cursor FOR EACH STATEMENT EXECUTE FUNCTION $S.taken_over();
CREATE TRIGGER taken_over BEFORE INSERT OR UPDATE ON $S.lease FOR EACH ROW
	WHEN (NEW.name = '~relay' OR starts_with(NEW.name, '~cursor/')) EXECUTE FUNCTION $S.taken_over();
