-- The log of a Mainstem database in PostgreSQL, layout {{.Version}}, {{.Partitions}} partition(s). Run it
-- as the owner of the schema, as often as you like: it makes what is missing and
-- leaves the rest alone. One schema is one log; a server can hold several.
--
--   psql -v ON_ERROR_STOP=1 -f log.sql
--
-- Nothing needs the right to create or alter at run time. PostgreSQL 13 or newer.
BEGIN;

CREATE SCHEMA IF NOT EXISTS {{.Schema}};

CREATE TABLE IF NOT EXISTS {{.Schema}}.database (
	one        boolean  PRIMARY KEY DEFAULT true CHECK (one),
	layout     integer  NOT NULL,
	id         uuid     NOT NULL DEFAULT gen_random_uuid(), -- the database whose log this is
	partitions smallint NOT NULL,
	ring       smallint NOT NULL DEFAULT 0                  -- the table that records go to now
);
INSERT INTO {{.Schema}}.database (layout, partitions) VALUES ({{.Version}}, {{.Partitions}}) ON CONFLICT (one) DO NOTHING;
DO $$ BEGIN
	IF EXISTS (SELECT FROM {{.Schema}}.database WHERE layout > {{.Version}}) THEN
		RAISE EXCEPTION 'schema {{.Name}} has a newer layout than {{.Version}}: print its SQL with a newer program';
	END IF;
	IF EXISTS (SELECT FROM {{.Schema}}.database WHERE partitions <> {{.Partitions}}) THEN
		RAISE EXCEPTION 'schema {{.Name}} holds a log of another number of partitions than {{.Partitions}}, which is fixed';
	END IF;
END $$;

-- The tail of each partition. Appending locks its row, compares, and moves it on. While
-- somebody's transaction stays open no version of this row is removed: so its key grows
-- with each change, and it is found from the end of the index, where the newest is. Those
-- of the past lie at the beginning, where nobody looks.
CREATE TABLE IF NOT EXISTS {{.Schema}}.log (
	part   smallint NOT NULL,
	tail   bigint   NOT NULL DEFAULT 0, -- slot of the newest record
	hash   bytea    NOT NULL DEFAULT decode(repeat('00', 32), 'hex'),
	oldest bigint   NOT NULL DEFAULT 1, -- slot of the oldest record that is kept
	proofs bigint   NOT NULL DEFAULT 0, -- writes that only proved the tail
	PRIMARY KEY (part, tail, proofs)
);
DO $$ BEGIN
	IF (SELECT layout FROM {{.Schema}}.database) < 3 THEN
		-- Until then it had one key for good, and pages with room for versions of it.
		ALTER TABLE {{.Schema}}.log DROP CONSTRAINT log_pkey, ADD PRIMARY KEY (part, tail, proofs), RESET (fillfactor);
	END IF;
END $$;
INSERT INTO {{.Schema}}.log (part) SELECT part FROM generate_series(0, {{.Partitions}} - 1) AS part
WHERE NOT EXISTS (SELECT FROM {{.Schema}}.log l WHERE l.part = part.part);

-- Records, in a ring of tables: one is emptied whole once nothing in it is kept.
CREATE TABLE IF NOT EXISTS {{.Schema}}.record (
	ring   smallint NOT NULL,
	part   smallint NOT NULL,
	slot   bigint   NOT NULL,
	hash   bytea    NOT NULL, -- SHA-256 of the record
	record bytea    NOT NULL
) PARTITION BY LIST (ring);
{{range .Each}}
CREATE TABLE IF NOT EXISTS {{$.Schema}}.record_{{.}} PARTITION OF {{$.Schema}}.record (PRIMARY KEY (part, slot)) FOR VALUES IN ({{.}});
ALTER TABLE {{$.Schema}}.record_{{.}} ALTER COLUMN record SET STORAGE EXTERNAL; -- it does not get smaller
{{- end}}

-- Snapshots of the partitions, in pieces, by name.
CREATE TABLE IF NOT EXISTS {{.Schema}}.blob (
	name   text COLLATE "C" PRIMARY KEY,
	sealed bytea NOT NULL -- with its own hash
);
ALTER TABLE {{.Schema}}.blob ALTER COLUMN sealed SET STORAGE EXTERNAL;

-- surely makes the commit of this transaction wait for what the server is set up to
-- wait for, whatever a session was told.
CREATE OR REPLACE FUNCTION {{.Schema}}.surely() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	IF current_setting('synchronous_commit') IN ('off', 'local', 'remote_write') THEN
		PERFORM set_config('synchronous_commit', 'on', true);
	END IF;
	PERFORM set_config('lock_timeout', '{{.LockTimeout}}', true);
END $$;

-- newest is the tail of a partition. It says how it is to be read, as do all that look for
-- it: a plan that was made while the table was small would read all of it, and is kept
-- while it grows. That adds so much to the estimated cost that PostgreSQL would compile
-- the statement, so they forbid this as well.
CREATE OR REPLACE FUNCTION {{.Schema}}.newest(of_part smallint) RETURNS {{.Schema}}.log LANGUAGE sql STABLE SET enable_seqscan = off SET jit = off AS
	$$ SELECT * FROM {{.Schema}}.log WHERE part = of_part ORDER BY tail DESC, proofs DESC LIMIT 1 $$;

-- tails are those of all partitions: from the last to the first.
CREATE OR REPLACE FUNCTION {{.Schema}}.tails() RETURNS SETOF {{.Schema}}.log LANGUAGE sql STABLE SET enable_seqscan = off SET jit = off AS $$
	WITH RECURSIVE each (l) AS (
		(SELECT l FROM {{.Schema}}.log l ORDER BY part DESC, tail DESC, proofs DESC LIMIT 1)
		UNION ALL
		SELECT (SELECT n FROM {{.Schema}}.log n WHERE n.part < (each.l).part ORDER BY n.part DESC, n.tail DESC, n.proofs DESC LIMIT 1)
		FROM each WHERE (each.l).part IS NOT NULL
	) SELECT (l).* FROM each WHERE (l).part IS NOT NULL
$$;

-- hold locks a tail until the transaction ends. A lock is a savepoint's own until that is
-- released, and then it is not the outermost transaction's.
CREATE OR REPLACE FUNCTION {{.Schema}}.hold(of_part smallint, OUT last bigint, OUT of_hash bytea, OUT outermost boolean)
	LANGUAGE plpgsql SET enable_seqscan = off SET jit = off AS $$
BEGIN
	PERFORM {{.Schema}}.surely();
	SELECT tail, hash INTO last, of_hash FROM {{.Schema}}.log WHERE part = of_part ORDER BY tail DESC, proofs DESC LIMIT 1 FOR UPDATE;
	SELECT xmax = pg_current_xact_id()::xid INTO outermost FROM {{.Schema}}.log WHERE part = of_part ORDER BY tail DESC, proofs DESC LIMIT 1;
END $$;

-- append writes a record after the one named by slot and hash: 1 if it did, 2 if
-- that very record is there already, 0 if another one is.
CREATE OR REPLACE FUNCTION {{.Schema}}.append(of_part smallint, at bigint, after bytea, new bytea, bytes bytea)
	RETURNS integer LANGUAGE plpgsql SET enable_seqscan = off SET jit = off AS $$
DECLARE
	known CONSTANT bigint := (SELECT proofs FROM {{.Schema}}.newest(of_part)); -- before it there is no row any more
BEGIN
	PERFORM {{.Schema}}.surely();
	UPDATE {{.Schema}}.log SET tail = at + 1, hash = new WHERE part = of_part AND tail = at AND proofs >= known AND hash = after;
	IF FOUND THEN
		INSERT INTO {{.Schema}}.record (ring, part, slot, hash, record)
		SELECT d.ring, of_part, at + 1, new, bytes FROM {{.Schema}}.database d;
		RETURN 1;
	END IF;
	IF EXISTS (SELECT FROM {{.Schema}}.record r WHERE r.part = of_part AND r.slot = at + 1 AND r.hash = new) THEN
		PERFORM {{.Schema}}.prove();
		RETURN 2;
	END IF;
	RETURN 0;
END $$;

-- keep puts a blob in the place of what was there before.
CREATE OR REPLACE FUNCTION {{.Schema}}.keep(of_name text, bytes bytea) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	PERFORM {{.Schema}}.surely();
	INSERT INTO {{.Schema}}.blob (name, sealed) VALUES (of_name, bytes) ON CONFLICT (name) DO UPDATE SET sealed = excluded.sealed;
END $$;

-- prove makes the commit of this transaction wait for all that it has seen: after a
-- crash a server shows commits that no standby has confirmed.
CREATE OR REPLACE FUNCTION {{.Schema}}.prove() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	IF current_setting('synchronous_standby_names') <> '' THEN
		PERFORM {{.Schema}}.surely();
		PERFORM pg_logical_emit_message(true, 'mainstem', '');
	END IF;
END $$;

-- confirm reports whether this is the tail. It writes, because a server that was
-- replaced still answers questions, but can no longer commit.
CREATE OR REPLACE FUNCTION {{.Schema}}.confirm(of_part smallint, at bigint, of_hash bytea) RETURNS boolean
	LANGUAGE plpgsql SET enable_seqscan = off SET jit = off AS $$
DECLARE
	known CONSTANT bigint := (SELECT proofs FROM {{.Schema}}.newest(of_part));
BEGIN
	PERFORM {{.Schema}}.surely();
	UPDATE {{.Schema}}.log SET proofs = proofs + 1 WHERE part = of_part AND tail = at AND proofs >= known AND hash = of_hash;
	RETURN FOUND;
END $$;

-- extent is from where to where a partition can be read.
CREATE OR REPLACE FUNCTION {{.Schema}}.extent(of_part smallint, OUT first bigint, OUT last bigint) LANGUAGE plpgsql AS $$
BEGIN
	SELECT oldest, tail INTO first, last FROM {{.Schema}}.newest(of_part);
	PERFORM {{.Schema}}.prove();
END $$;

-- forget allows everything below a slot to go, but never the newest record, and
-- empties what nobody keeps any more.
CREATE OR REPLACE FUNCTION {{.Schema}}.forget(of_part smallint, below bigint) RETURNS void LANGUAGE plpgsql SET enable_seqscan = off SET jit = off AS $$
DECLARE
	known CONSTANT bigint := (SELECT tail FROM {{.Schema}}.newest(of_part));
	keeps CONSTANT text := 'SELECT EXISTS (SELECT FROM {{.Quoted}}.tails() l WHERE EXISTS (
		SELECT FROM {{.Quoted}}.record_%s r WHERE r.part = l.part AND r.slot >= l.oldest))';
	d {{.Schema}}.database;
	k smallint;
	used boolean;
	kept boolean;
	free boolean := false;
BEGIN
	UPDATE {{.Schema}}.log SET oldest = greatest(oldest, least(below, tail)) WHERE part = of_part AND tail >= known;
	IF NOT pg_try_advisory_xact_lock(hashtextextended('{{.Name}}/forget', 0)) THEN
		RETURN; -- somebody is at it
	END IF;
	SELECT * INTO d FROM {{.Schema}}.database;
	PERFORM set_config('lock_timeout', '100ms', true);
	FOR k IN 0 .. {{.Last}} LOOP
		CONTINUE WHEN k = d.ring;
		EXECUTE format('SELECT EXISTS (SELECT FROM {{.Quoted}}.record_%s)', k) INTO used;
		EXECUTE format(keeps, k) INTO kept;
		IF used AND NOT kept THEN
			BEGIN
				-- Who has written to it, and not committed yet, does so before the lock is got.
				EXECUTE format('LOCK TABLE {{.Quoted}}.record_%s IN ACCESS EXCLUSIVE MODE', k);
				EXECUTE format(keeps, k) INTO kept;
				IF NOT kept THEN
					EXECUTE format('TRUNCATE {{.Quoted}}.record_%s', k);
					used := false;
				END IF;
			EXCEPTION WHEN lock_not_available THEN
				NULL; -- somebody reads; the next time
			END;
		END IF;
		free := free OR NOT used AND k = (d.ring + 1) % ({{.Last}} + 1);
	END LOOP;
	EXECUTE format('SELECT EXISTS (SELECT FROM {{.Quoted}}.record_%s)', d.ring) INTO used;
	IF used AND free THEN
		UPDATE {{.Schema}}.database SET ring = (ring + 1) % ({{.Last}} + 1);
	END IF;
END $$;

UPDATE {{.Schema}}.database SET layout = {{.Version}} WHERE layout < {{.Version}};
{{if .Role}}
-- What a node needs to run.
GRANT USAGE ON SCHEMA {{.Schema}} TO {{.Role}};
GRANT SELECT ON ALL TABLES IN SCHEMA {{.Schema}} TO {{.Role}};
GRANT UPDATE ON {{.Schema}}.log TO {{.Role}};
GRANT UPDATE (ring) ON {{.Schema}}.database TO {{.Role}};
GRANT INSERT ON {{.Schema}}.record TO {{.Role}};
GRANT INSERT, UPDATE, DELETE ON {{.Schema}}.blob TO {{.Role}};
GRANT TRUNCATE ON {{range $i, $_ := .Each}}{{if $i}}, {{end}}{{$.Schema}}.record_{{.}}{{end}} TO {{.Role}};
{{end}}
COMMIT;
