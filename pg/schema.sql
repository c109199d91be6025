-- Mainstem in PostgreSQL, layout {{.Version}}. Run it as the owner of the schema, as often
-- as you like: it makes what is missing and leaves the rest alone.
--
--   psql -v ON_ERROR_STOP=1 -f mainstem.sql
--
-- Nothing needs the right to create or alter at run time. PostgreSQL 13 or newer.
BEGIN;

CREATE SCHEMA IF NOT EXISTS {{.Schema}};

CREATE TABLE IF NOT EXISTS {{.Schema}}.layout (
	one     boolean PRIMARY KEY DEFAULT true CHECK (one),
	version integer NOT NULL,
	print   integer,  -- the number of this text, which grows with each change of it
	hash    text      -- and what tells it from another of the same number
);
DO $$ BEGIN
	IF NOT EXISTS (SELECT FROM pg_attribute WHERE attrelid = '{{.Schema}}.layout'::regclass AND attname = 'print') THEN
		ALTER TABLE {{.Schema}}.layout ADD COLUMN print integer, ADD COLUMN hash text;
	END IF;
	IF EXISTS (SELECT FROM {{.Schema}}.layout WHERE version > {{.Version}} OR print > {{.Print}}) THEN
		RAISE EXCEPTION 'schema {{.Name}} has a newer layout than {{.Version}}, or a newer print of it than {{.Print}}: print its SQL with a newer program';
	END IF;
END $$;
INSERT INTO {{.Schema}}.layout (version, print, hash) VALUES ({{.Version}}, {{.Print}}, '{{.Hash}}')
ON CONFLICT (one) DO UPDATE SET version = excluded.version, print = excluded.print, hash = excluded.hash;

-- Requests: one row per idempotency key, in the transaction that it protects.

CREATE TABLE IF NOT EXISTS {{.Schema}}.request (
	key   text COLLATE "C" PRIMARY KEY,
	hash  bytea       NOT NULL,  -- what the caller says identifies the request
	state smallint    NOT NULL,  -- 0 open, 1 done, 2 refused, 3 claimed
	reply bytea       NOT NULL,
	made  timestamptz NOT NULL DEFAULT clock_timestamp(),
	until timestamptz NOT NULL   -- kept at least until then
) WITH (autovacuum_vacuum_scale_factor = 0.02);
CREATE INDEX IF NOT EXISTS request_until ON {{.Schema}}.request (until);
CREATE INDEX IF NOT EXISTS request_claimed ON {{.Schema}}.request (made) WHERE state = 3;

-- request_lock is the advisory lock of a key.
CREATE OR REPLACE FUNCTION {{.Schema}}.request_lock(of_key text) RETURNS bigint LANGUAGE sql IMMUTABLE AS
	$$ SELECT hashtextextended('{{.Name}}/request/' || of_key, 0) $$;

-- once begins a request: "new", or "begun" if it has its row, or what is known of
-- it, as JSON. (One value is given faster than a row of several.) The advisory
-- lock is held to the end of the caller's transaction, so that the key is judged
-- by one transaction at a time, and taking it cannot abort that transaction. An
-- outcome is for good, so whoever finds one needs no lock. Each
-- statement of a volatile function sees what was committed before the statement,
-- unless the transaction's snapshot is older; then only the unique key can tell,
-- and it is asked at once.
CREATE OR REPLACE FUNCTION {{.Schema}}.once(of_key text, of_hash bytea, born timestamptz, age interval, wait integer)
	RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	lock  CONSTANT bigint := {{.Schema}}.request_lock(of_key);
	known {{.Schema}}.request;
	held  boolean;
	was   text;
BEGIN
	held := pg_try_advisory_xact_lock(lock);
	SELECT * INTO known FROM {{.Schema}}.request WHERE request.key = of_key;
	IF NOT held AND NOT (FOUND AND known.state IN (1, 2)) THEN
		IF wait <= 0 THEN
			RETURN 'busy';
		END IF;
		was := current_setting('lock_timeout');
		BEGIN
			PERFORM set_config('lock_timeout', wait::text, true);
			PERFORM pg_advisory_xact_lock(lock);
			PERFORM set_config('lock_timeout', was, true);
		EXCEPTION WHEN lock_not_available OR deadlock_detected THEN
			RETURN 'busy';
		END;
		SELECT * INTO known FROM {{.Schema}}.request WHERE request.key = of_key;
	END IF;
	IF FOUND THEN
		IF current_setting('synchronous_standby_names') <> '' THEN
			-- After a crash a server shows commits that no standby has confirmed.
			-- The caller's COMMIT writes something, so it waits for that.
			PERFORM pg_logical_emit_message(true, 'mainstem', '');
		END IF;
		RETURN json_build_object(
			'status', CASE known.hash WHEN of_hash THEN (ARRAY['open', 'done', 'refused', 'claimed'])[known.state + 1] ELSE 'reused' END,
			'reply', translate(encode(known.reply, 'base64'), E'\n', ''),
			'made', date_part('epoch', known.made),
			'elapsed', date_part('epoch', clock_timestamp() - known.made));
	END IF;
	IF born IS NOT NULL AND clock_timestamp() - born > age THEN
		RETURN 'old';
	END IF;
	IF current_setting('transaction_isolation') = 'read committed' THEN
		RETURN 'new';
	END IF;
	BEGIN
		INSERT INTO {{.Schema}}.request (key, hash, state, reply, until) VALUES (of_key, of_hash, 0, '', clock_timestamp() + age);
		RETURN 'begun';
	EXCEPTION WHEN unique_violation OR serialization_failure THEN
		RETURN 'retry';
	END;
END $$;

-- expire deletes keys that are older than their age by so much, at most so many,
-- and only rows that nobody holds. Claims stay until somebody settles them.
CREATE OR REPLACE FUNCTION {{.Schema}}.expire(longer interval, most integer) RETURNS bigint LANGUAGE plpgsql SET enable_seqscan = off SET jit = off AS $$
DECLARE
	deleted bigint;
BEGIN
	DELETE FROM {{.Schema}}.request WHERE ctid = ANY (ARRAY (
		SELECT ctid FROM {{.Schema}}.request WHERE until < clock_timestamp() - longer AND state <> 3
		ORDER BY until LIMIT most FOR UPDATE SKIP LOCKED));
	GET DIAGNOSTICS deleted = ROW_COUNT;
	RETURN deleted;
END $$;

-- Events: staged by callers in their transactions, in a ring of tables by time
-- of day; a table is emptied whole once everything in it was delivered.

CREATE SEQUENCE IF NOT EXISTS {{.Schema}}.event_id;

CREATE OR REPLACE FUNCTION {{.Schema}}.slot() RETURNS smallint LANGUAGE sql VOLATILE AS
	$$ SELECT (floor(date_part('epoch', clock_timestamp()) / {{.Turn}})::bigint % {{.Slots}})::smallint $$;

-- doze is the lock that a relay holds while it sleeps. An append takes a share of
-- it to the end of its transaction, so a relay falls asleep only when every
-- transaction that counts on its being awake has ended; an append that gets no
-- share wakes it. So NOTIFY, which makes commits wait for each other, is used
-- only while there is little to do.
CREATE OR REPLACE FUNCTION {{.Schema}}.doze() RETURNS bigint LANGUAGE sql IMMUTABLE AS
	$$ SELECT hashtextextended('{{.Name}}/doze', 0) $$;

CREATE OR REPLACE FUNCTION {{.Schema}}.wake() RETURNS smallint LANGUAGE plpgsql AS $$
BEGIN
	PERFORM pg_notify('{{.Name}}_staged', '');
	RETURN {{.Schema}}.slot();
END $$;

-- append_slot is the slot of a new event. It stands in a default, not in a
-- trigger, which costs more to fire than all of this.
CREATE OR REPLACE FUNCTION {{.Schema}}.append_slot() RETURNS smallint LANGUAGE sql VOLATILE AS
	$$ SELECT CASE WHEN pg_try_advisory_xact_lock_shared({{.Schema}}.doze()) THEN {{.Schema}}.slot() ELSE {{.Schema}}.wake() END $$;

-- append_in is append_slot for a transaction that knows its slot, and so names the
-- table, which spares the server finding it. One that began in the slot before
-- still may: a table that somebody writes to is not emptied.
CREATE OR REPLACE FUNCTION {{.Schema}}.wake_in(of_slot smallint) RETURNS smallint LANGUAGE plpgsql AS $$
BEGIN
	PERFORM pg_notify('{{.Name}}_staged', '');
	RETURN of_slot;
END $$;

CREATE OR REPLACE FUNCTION {{.Schema}}.append_in(of_slot smallint) RETURNS smallint LANGUAGE sql VOLATILE AS
	$$ SELECT CASE WHEN pg_try_advisory_xact_lock_shared({{.Schema}}.doze()) THEN of_slot ELSE {{.Schema}}.wake_in(of_slot) END $$;

CREATE TABLE IF NOT EXISTS {{.Schema}}.event (
	slot    smallint    NOT NULL DEFAULT {{.Schema}}.append_slot(),
	id      bigint      NOT NULL DEFAULT nextval('{{.Schema}}.event_id'),
	xid     xid8        NOT NULL DEFAULT pg_current_xact_id(),
	stream  text COLLATE "C" NOT NULL,
	version bigint,                      -- in versioned streams only
	type    text COLLATE "C" NOT NULL,
	data    bytea       NOT NULL,
	actor   text        NOT NULL DEFAULT '',
	request text        NOT NULL DEFAULT '',
	trace   text        NOT NULL DEFAULT '',
	made    timestamptz NOT NULL DEFAULT clock_timestamp()
) PARTITION BY LIST (slot);

-- What the relay has numbered: a position for each event, in the same slots.
CREATE TABLE IF NOT EXISTS {{.Schema}}.numbered (
	slot     smallint NOT NULL,
	position bigint   NOT NULL,
	xid      xid8     NOT NULL,
	id       bigint   NOT NULL
) PARTITION BY LIST (slot);
{{range .Each}}
CREATE TABLE IF NOT EXISTS {{$.Schema}}.event_{{.}} PARTITION OF {{$.Schema}}.event FOR VALUES IN ({{.}});
CREATE TABLE IF NOT EXISTS {{$.Schema}}.numbered_{{.}} PARTITION OF {{$.Schema}}.numbered FOR VALUES IN ({{.}});
{{- end}}

-- versioned refuses a plain append to a stream whose events have versions.
CREATE OR REPLACE FUNCTION {{.Schema}}.versioned(of_stream text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	RAISE EXCEPTION 'the events of stream % have versions', of_stream USING ERRCODE = 'MS002';
END $$;

CREATE INDEX IF NOT EXISTS event_xid ON {{.Schema}}.event (xid, id);
CREATE INDEX IF NOT EXISTS numbered_position ON {{.Schema}}.numbered (position);

-- Streams with a version: an append locks the stream's row.
CREATE TABLE IF NOT EXISTS {{.Schema}}.stream (
	name    text COLLATE "C" PRIMARY KEY,
	version bigint NOT NULL
) WITH (fillfactor = 50);

-- The relay's own place: the last position, and the snapshot in which all that
-- was visible has been numbered. While somebody's transaction stays open no
-- version of this row is removed, and there is one for each drain: so its key
-- grows with each, and it is found from the end of the index, where the newest is.
-- Those of the past lie at the beginning, where nobody looks.
CREATE TABLE IF NOT EXISTS {{.Schema}}.relay (
	step    bigint      PRIMARY KEY DEFAULT 0,
	last    bigint      NOT NULL DEFAULT 0,
	seen    pg_snapshot NOT NULL DEFAULT '1:1:',
	home    text        NOT NULL DEFAULT '',  -- the server's identity and timeline
	-- While a long backlog is numbered: the snapshot in which all that is visible is
	-- to be, and the identifier up to which it is.
	goal    pg_snapshot,
	upto    bigint      NOT NULL DEFAULT 0,
	-- The highest position of all that were in tables which were emptied. Tables are
	-- emptied in any order, so below it some can be missing; above it all are kept.
	emptied bigint      NOT NULL DEFAULT 0
);
DO $$ BEGIN
	IF EXISTS (SELECT FROM pg_attribute WHERE attrelid = '{{.Schema}}.relay'::regclass AND attname = 'one' AND NOT attisdropped) THEN
		-- Until layout 3 it had one key for good.
		ALTER TABLE {{.Schema}}.relay DROP COLUMN one, ADD COLUMN step bigint PRIMARY KEY DEFAULT 0, ADD COLUMN IF NOT EXISTS goal pg_snapshot,
			ADD COLUMN IF NOT EXISTS upto bigint NOT NULL DEFAULT 0, ADD COLUMN IF NOT EXISTS emptied bigint NOT NULL DEFAULT 0;
	END IF;
END $$;
INSERT INTO {{.Schema}}.relay (step) SELECT 0 WHERE NOT EXISTS (SELECT FROM {{.Schema}}.relay) ON CONFLICT (step) DO NOTHING;

-- Where positions begin anew: after a restore or a failover, which can both
-- have lost positions that somebody has seen already.
CREATE TABLE IF NOT EXISTS {{.Schema}}.era (
	first  bigint PRIMARY KEY,  -- the era's first position
	before bigint      NOT NULL, -- the last position of the era before
	home   text        NOT NULL,
	made   timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- How far consumers are. The position is part of the key for the same reason:
-- subscribe alone makes a row, and only one for a name.
CREATE TABLE IF NOT EXISTS {{.Schema}}.cursor (
	name     text COLLATE "C",
	position bigint,
	made     timestamptz NOT NULL DEFAULT clock_timestamp(),
	moved    timestamptz NOT NULL DEFAULT clock_timestamp(),
	PRIMARY KEY (name, position)
);

-- How far the events of another database have their effects in this one. It is as
-- with cursors, and applied_at makes the row.
CREATE TABLE IF NOT EXISTS {{.Schema}}.applied (
	name     text COLLATE "C",
	position bigint,
	home     text        NOT NULL DEFAULT '', -- the server and timeline that gave it
	moved    timestamptz NOT NULL DEFAULT clock_timestamp(),
	PRIMARY KEY (name, position)
);
DO $$ BEGIN
	IF (SELECT cardinality(conkey) FROM pg_constraint WHERE conrelid = '{{.Schema}}.cursor'::regclass AND contype = 'p') = 1 THEN
		-- Until layout 3 the name alone was the key.
		ALTER TABLE {{.Schema}}.cursor DROP CONSTRAINT cursor_pkey, ADD PRIMARY KEY (name, position);
		ALTER TABLE {{.Schema}}.applied DROP CONSTRAINT applied_pkey, ADD PRIMARY KEY (name, position);
	END IF;
END $$;

-- Events that a consumer could not take, and what came after them in their
-- streams, kept in order until somebody decides.
CREATE TABLE IF NOT EXISTS {{.Schema}}.parked (
	cursor   text COLLATE "C" NOT NULL,
	stream   text COLLATE "C" NOT NULL,
	position bigint      NOT NULL,
	version  bigint,
	type     text COLLATE "C" NOT NULL,
	data     bytea       NOT NULL,
	actor    text        NOT NULL,
	request  text        NOT NULL,
	trace    text        NOT NULL,
	made     timestamptz NOT NULL,
	error    text        NOT NULL,
	parked   timestamptz NOT NULL DEFAULT clock_timestamp(),
	again    boolean     NOT NULL DEFAULT false, -- somebody asked to give it again
	PRIMARY KEY (cursor, stream, position)
);

-- Leases, and the highest token that each protected resource has seen.

CREATE TABLE IF NOT EXISTS {{.Schema}}.lease (
	name  text COLLATE "C" PRIMARY KEY,
	token bigint      NOT NULL,
	owner text        NOT NULL,
	until timestamptz NOT NULL
) WITH (fillfactor = 50);

CREATE TABLE IF NOT EXISTS {{.Schema}}.fence (
	resource text COLLATE "C" PRIMARY KEY,
	token    bigint NOT NULL
) WITH (fillfactor = 50);

CREATE OR REPLACE FUNCTION {{.Schema}}.timeline() RETURNS bigint LANGUAGE sql VOLATILE AS
	$$ SELECT ('x' || substr(pg_walfile_name(pg_current_wal_insert_lsn()), 1, 8))::bit(32)::bigint $$;

-- A token is the server's timeline and a number, so that it grows even where a
-- failover lost the grant before it.
CREATE OR REPLACE FUNCTION {{.Schema}}.acquire(of_name text, of_owner text, ttl interval,
	OUT token bigint, OUT owner text, OUT rest interval) LANGUAGE plpgsql AS $$
DECLARE
	least CONSTANT bigint := ({{.Schema}}.timeline() << 40) + 1;
BEGIN
	IF current_setting('synchronous_commit') = 'off' THEN
		-- A grant that a crash loses would be granted again, under the same token.
		PERFORM set_config('synchronous_commit', 'on', true);
	END IF;
	INSERT INTO {{.Schema}}.lease AS l (name, token, owner, until)
	VALUES (of_name, least, of_owner, clock_timestamp() + ttl)
	ON CONFLICT (name) DO UPDATE SET token = greatest(l.token + 1, least), owner = excluded.owner, until = excluded.until
	WHERE l.until < clock_timestamp()
	RETURNING l.token, l.owner INTO token, owner;
	IF NOT FOUND THEN
		SELECT l.owner, l.until - clock_timestamp() INTO owner, rest FROM {{.Schema}}.lease l WHERE l.name = of_name;
	END IF;
END $$;

-- fence fails the statement, and with it the transaction, if the resource has
-- seen a higher token. Transactions of one token do not wait for each other.
CREATE OR REPLACE FUNCTION {{.Schema}}.fence(of_resource text, of_token bigint) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
	highest bigint;
BEGIN
	SELECT token INTO highest FROM {{.Schema}}.fence WHERE resource = of_resource;
	IF highest = of_token THEN
		SELECT token INTO highest FROM {{.Schema}}.fence WHERE resource = of_resource FOR SHARE;
	ELSIF highest IS NULL OR highest < of_token THEN
		INSERT INTO {{.Schema}}.fence AS f (resource, token) VALUES (of_resource, of_token)
		ON CONFLICT (resource) DO UPDATE SET token = greatest(f.token, excluded.token)
		RETURNING token INTO highest;
	END IF;
	IF highest > of_token THEN
		RAISE EXCEPTION 'resource % has seen token %, which is higher than %', of_resource, highest, of_token USING ERRCODE = 'MS001';
	END IF;
	RETURN true;
END $$;
{{template "session.sql" .}}
{{template "relay.sql" .}}
{{if .Role}}
-- What a service needs to run.
GRANT USAGE ON SCHEMA {{.Schema}} TO {{.Role}};
{{range .Grants}}{{.}}
{{end}}{{end}}
COMMIT;
