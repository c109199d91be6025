
-- The relay: what is committed gets positions.
--
-- Functions that may not read a table from end to end forbid it, which adds so
-- much to the estimated cost of a table without an index that PostgreSQL would
-- compile the statement: 50 ms for what takes one. So they forbid that as well.
-- OFFSET 0 keeps a look-up by index what it is: a join made while the tables were
-- small would otherwise read all of them, and its plan is kept while they grow.

-- home is this server, and the timeline of it.
CREATE OR REPLACE FUNCTION {{.Schema}}.home() RETURNS text LANGUAGE sql VOLATILE AS
	$$ SELECT (pg_control_system()).system_identifier || '/' || {{.Schema}}.timeline() $$;

-- at_relay lets one relay work at a time, in transactions in which each statement
-- sees what was committed before it.
CREATE OR REPLACE FUNCTION {{.Schema}}.at_relay(token bigint) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	IF current_setting('transaction_isolation') <> 'read committed' THEN
		RAISE EXCEPTION 'the relay works in read committed only';
	END IF;
	PERFORM {{.Schema}}.fence('~relay', token);
END $$;

-- place is the relay's row. It says how it is to be read: a plan that was made while
-- the table was small would read all of it, and is kept while it grows.
CREATE OR REPLACE FUNCTION {{.Schema}}.place() RETURNS {{.Schema}}.relay LANGUAGE sql STABLE SET enable_seqscan = off SET jit = off AS
	$$ SELECT * FROM {{.Schema}}.relay ORDER BY step DESC LIMIT 1 $$;

-- pending tells cheaply whether drain would find something. It writes nothing.
CREATE OR REPLACE FUNCTION {{.Schema}}.pending() RETURNS boolean LANGUAGE plpgsql SET enable_seqscan = off SET jit = off AS $$
DECLARE
	place {{.Schema}}.relay;
BEGIN
	SELECT * INTO STRICT place FROM {{.Schema}}.relay ORDER BY step DESC LIMIT 1;
	RETURN place.home <> {{.Schema}}.home()
		OR EXISTS (SELECT FROM {{.Schema}}.event WHERE xid >= pg_snapshot_xmax(place.seen))
		OR EXISTS (SELECT FROM pg_snapshot_xip(place.seen) AS open (xid), LATERAL (
			SELECT FROM {{.Schema}}.event e WHERE e.xid = open.xid OFFSET 0) e);
END $$;

-- drain numbers everything that is visible and was not in the snapshot of the
-- drain before, in the order of insertion. What a transaction inserted becomes
-- visible at once and whole, and whoever saw it inserts later: so causes come
-- before effects, nothing is skipped, and nobody waits for an open transaction.
-- Rows are found by the transactions that have ended since: those that were open
-- then, and those that began later. Where these are more than so many, step
-- numbers them, over several drains.
CREATE OR REPLACE FUNCTION {{.Schema}}.drain(token bigint, most bigint, OUT last bigint, OUT numbered bigint)
	LANGUAGE plpgsql SET enable_seqscan = off SET jit = off AS $$
DECLARE
	place  {{.Schema}}.relay;
	before bigint;
	found  bigint;
	now    pg_snapshot;
	ended  boolean := false;
	here   CONSTANT text := {{.Schema}}.home();
BEGIN
	PERFORM {{.Schema}}.at_relay(token);
	SELECT * INTO STRICT place FROM {{.Schema}}.relay ORDER BY step DESC LIMIT 1 FOR UPDATE;
	IF place.home <> here THEN
		place := {{.Schema}}.move(place, here);
	END IF;
	before := place.last;
	IF place.goal IS NOT NULL THEN
		place := {{.Schema}}.step(place, most);
		ended := place.goal IS NULL;
	END IF;
	IF place.goal IS NULL THEN
		WITH this AS MATERIALIZED (SELECT pg_current_snapshot() AS seen),
		fresh AS MATERIALIZED (
			SELECT * FROM (
				SELECT slot, xid, id FROM {{.Schema}}.event WHERE xid >= pg_snapshot_xmax(place.seen)
				UNION ALL
				SELECT e.slot, e.xid, e.id FROM pg_snapshot_xip(place.seen) AS open (xid), LATERAL (
					SELECT slot, xid, id FROM {{.Schema}}.event WHERE event.xid = open.xid OFFSET 0) e
			) in_any_order LIMIT most + 1
		), put AS (
			INSERT INTO {{.Schema}}.numbered (slot, position, xid, id)
			SELECT slot, place.last + row_number() OVER (ORDER BY id), xid, id FROM fresh
			WHERE (SELECT count(*) FROM fresh) <= most
		)
		SELECT (SELECT count(*) FROM fresh), seen INTO found, now FROM this;
		IF found > most THEN
			place.goal := now;
			place := {{.Schema}}.step(place, most);
		ELSIF found > 0 THEN
			place.last := place.last + found;
			place.seen := now;
		END IF;
	END IF;
	last := place.last;
	numbered := last - before;
	IF numbered > 0 OR ended THEN
		UPDATE {{.Schema}}.relay SET step = place.step + 1, last = place.last, seen = place.seen, goal = place.goal, upto = place.upto WHERE step = place.step;
		PERFORM pg_notify('{{.Name}}_numbered', last::text);
	END IF;
END $$;

-- drain numbers at most so many events in one transaction.
CREATE OR REPLACE FUNCTION {{.Schema}}.drain(token bigint, OUT last bigint, OUT numbered bigint) LANGUAGE sql AS
	$$ SELECT * FROM {{.Schema}}.drain(token, {{.Most}}) $$;

-- step numbers the next of a backlog: what is visible in the snapshot goal and was
-- not in the snapshot seen, in the order of insertion, as one drain would have
-- when goal was taken. It takes so many identifiers after upto; where none of them
-- is left, from the first that is. A goal that is null again says that nothing is.
CREATE OR REPLACE FUNCTION {{.Schema}}.step(place {{.Schema}}.relay, most bigint) RETURNS {{.Schema}}.relay
	LANGUAGE plpgsql SET enable_seqscan = off SET jit = off AS $$
DECLARE
	put  bigint;
	next bigint;
BEGIN
	LOOP
		WITH fresh AS (
			SELECT slot, xid, id FROM {{.Schema}}.event
			WHERE xid >= pg_snapshot_xmax(place.seen) AND xid < pg_snapshot_xmax(place.goal) AND id > place.upto AND id <= place.upto + most
			UNION ALL
			SELECT e.slot, e.xid, e.id FROM pg_snapshot_xip(place.seen) AS open (xid), LATERAL (
				SELECT slot, xid, id FROM {{.Schema}}.event
				WHERE event.xid = open.xid AND id > place.upto AND id <= place.upto + most OFFSET 0) e
		)
		INSERT INTO {{.Schema}}.numbered (slot, position, xid, id)
		SELECT slot, place.last + row_number() OVER (ORDER BY id), xid, id FROM fresh WHERE pg_visible_in_snapshot(xid, place.goal);
		GET DIAGNOSTICS put = ROW_COUNT;
		place.upto := place.upto + most;
		place.last := place.last + put;
		EXIT WHEN put > 0;
		SELECT min(id) INTO next FROM (
			SELECT xid, id FROM {{.Schema}}.event
			WHERE xid >= pg_snapshot_xmax(place.seen) AND xid < pg_snapshot_xmax(place.goal) AND id > place.upto
			UNION ALL
			SELECT e.xid, e.id FROM pg_snapshot_xip(place.seen) AS open (xid), LATERAL (
				SELECT xid, id FROM {{.Schema}}.event WHERE event.xid = open.xid AND id > place.upto OFFSET 0) e
		) AS left_over WHERE pg_visible_in_snapshot(xid, place.goal);
		IF next IS NULL THEN
			place.seen := place.goal;
			place.goal := NULL;
			place.upto := 0;
			EXIT;
		END IF;
		place.upto := next - 1;
	END LOOP;
	RETURN place;
END $$;

-- move begins an era: this is another server than the one that numbered last,
-- or another timeline of it. Positions that its former life gave may be lost, so
-- none of them is given again; and transaction IDs of another server mean
-- nothing, so they are taken off every row that is here, in one snapshot. Where
-- nothing was numbered before, nobody knows whose rows these are: they are another
-- server's, if one is here whose transaction has not ended on this server. IDs of
-- transactions that have ended here do no harm: no later drain looks for them.
CREATE OR REPLACE FUNCTION {{.Schema}}.move(place {{.Schema}}.relay, here text) RETURNS {{.Schema}}.relay LANGUAGE plpgsql AS $$
DECLARE
	-- In the era before, perhaps nothing was numbered.
	first CONSTANT bigint := CASE place.home WHEN '' THEN 1
		ELSE ((greatest(place.last, (SELECT max(e.first) FROM {{.Schema}}.era e)) >> 40) + 1) << 40 END;
	foreigners CONSTANT boolean := CASE place.home WHEN '' THEN
		EXISTS (SELECT FROM {{.Schema}}.event WHERE xid >= pg_snapshot_xmax(pg_current_snapshot()))
		OR EXISTS (SELECT FROM pg_snapshot_xip(pg_current_snapshot()) AS open (xid), LATERAL (
			SELECT FROM {{.Schema}}.event e WHERE e.xid = open.xid OFFSET 0) e)
		ELSE split_part(place.home, '/', 1) <> split_part(here, '/', 1) END;
	fresh bigint;
BEGIN
	INSERT INTO {{.Schema}}.era (first, before, home) VALUES (first, place.last, here);
	PERFORM {{.Schema}}.arrive();
	IF foreigners THEN
		WITH this AS MATERIALIZED (SELECT pg_current_snapshot() AS seen),
		fresh AS MATERIALIZED (
			SELECT slot, id FROM {{.Schema}}.event e WHERE NOT EXISTS (
				SELECT FROM {{.Schema}}.numbered n WHERE n.slot = e.slot AND n.xid = e.xid AND n.id = e.id)
		), put AS (
			INSERT INTO {{.Schema}}.numbered (slot, position, xid, id)
			SELECT slot, first - 1 + row_number() OVER (ORDER BY id), '0'::xid8, id FROM fresh
			RETURNING 1
		), events AS (UPDATE {{.Schema}}.event SET xid = '0'), positions AS (UPDATE {{.Schema}}.numbered SET xid = '0')
		SELECT (SELECT count(*) FROM put), seen INTO fresh, place.seen FROM this;
		place.goal := NULL; -- what was left of a backlog has its positions
		place.upto := 0;
	END IF;
	place.home := here;
	place.last := first - 1 + coalesce(fresh, 0);
	UPDATE {{.Schema}}.relay SET step = place.step + 1, last = place.last, seen = place.seen, home = here, goal = place.goal, upto = place.upto
	WHERE step = place.step RETURNING * INTO STRICT place;
	RETURN place;
END $$;

-- events reads numbered events after a position. A position without its event
-- is given with nulls, for the reader to refuse. The planner does not know how few
-- are asked for, and would sort all that is left rather than follow the index:
-- then a backlog takes time by the square of its length.
CREATE OR REPLACE FUNCTION {{.Schema}}.events(after bigint, most integer)
	RETURNS TABLE (at bigint, stream text, version bigint, type text, data bytea, actor text, request text, trace text, made timestamptz)
	LANGUAGE sql STABLE SET enable_seqscan = off SET enable_sort = off SET max_parallel_workers_per_gather = 0 SET jit = off AS $$
	SELECT n.position, e.stream, e.version, e.type, e.data, e.actor, e.request, e.trace, e.made
	FROM (SELECT * FROM {{.Schema}}.numbered WHERE position > after ORDER BY position LIMIT most) n
	LEFT JOIN LATERAL (SELECT * FROM {{.Schema}}.event e WHERE e.slot = n.slot AND e.xid = n.xid AND e.id = n.id OFFSET 0) e ON true
	ORDER BY n.position
$$;

-- newest is the last position, for who has read events after another in this
-- transaction. After a crash, or where a wait was cancelled, a server shows commits
-- that no standby has confirmed. So what was read may be handed on when this
-- transaction has ended: it writes something, and its COMMIT waits for all before it.
-- A standby has whatever it shows, and not all that its reader has seen at the primary.
CREATE OR REPLACE FUNCTION {{.Schema}}.newest(after bigint) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
	newest bigint;
BEGIN
	IF pg_is_in_recovery() THEN
		RETURN after;
	END IF;
	SELECT last INTO newest FROM {{.Schema}}.place();
	IF newest > after AND current_setting('synchronous_standby_names') <> '' THEN
		PERFORM pg_logical_emit_message(true, 'mainstem', '');
	END IF;
	RETURN newest;
END $$;

-- cursors are all of them: from the last name to the first, of each the newest row
-- that is there, which comes first that way.
CREATE OR REPLACE FUNCTION {{.Schema}}.cursors() RETURNS SETOF {{.Schema}}.cursor LANGUAGE sql STABLE SET enable_seqscan = off SET jit = off AS $$
	WITH RECURSIVE each (c) AS (
		(SELECT c FROM {{.Schema}}.cursor c ORDER BY name DESC, position DESC LIMIT 1)
		UNION ALL
		SELECT (SELECT n FROM {{.Schema}}.cursor n WHERE n.name < (each.c).name ORDER BY n.name DESC, n.position DESC LIMIT 1)
		FROM each WHERE (each.c).name IS NOT NULL
	) SELECT (c).* FROM each WHERE (c).name IS NOT NULL
$$;

-- subscribe makes a cursor, at the oldest event from which on all are kept or at the
-- end, and tells where a cursor stands. The lock of the relay's row keeps sweep away,
-- and others who would make a cursor of that name.
CREATE OR REPLACE FUNCTION {{.Schema}}.subscribe(of_name text, from_end boolean) RETURNS bigint LANGUAGE plpgsql SET enable_seqscan = off SET jit = off AS $$
DECLARE
	place {{.Schema}}.relay;
	start bigint;
BEGIN
	SELECT position INTO start FROM {{.Schema}}.cursor WHERE name = of_name ORDER BY position DESC LIMIT 1;
	IF NOT FOUND THEN
		SELECT * INTO STRICT place FROM {{.Schema}}.relay ORDER BY step DESC LIMIT 1 FOR UPDATE;
		SELECT position INTO start FROM {{.Schema}}.cursor WHERE name = of_name ORDER BY position DESC LIMIT 1;
	END IF;
	IF NOT FOUND THEN
		start := place.last;
		IF NOT from_end THEN
			start := greatest(place.emptied, coalesce((SELECT min(position) - 1 FROM {{.Schema}}.numbered), start));
		END IF;
		INSERT INTO {{.Schema}}.cursor (name, position) VALUES (of_name, start);
	END IF;
	RETURN start;
END $$;

-- advance moves a cursor, unless a newer token has it. False says that a failover
-- lost the position: the cursor stays behind what was kept. Null says that there
-- is no such cursor.
CREATE OR REPLACE FUNCTION {{.Schema}}.advance(of_name text, until bigint, token bigint) RETURNS boolean LANGUAGE plpgsql SET enable_seqscan = off SET jit = off AS $$
DECLARE
	at bigint;
BEGIN
	PERFORM {{.Schema}}.fence('~cursor/' || of_name, token);
	SELECT position INTO at FROM {{.Schema}}.cursor WHERE name = of_name ORDER BY position DESC LIMIT 1 FOR UPDATE;
	IF NOT FOUND THEN
		RETURN NULL;
	END IF;
	IF until > (SELECT last FROM {{.Schema}}.place()) OR EXISTS (SELECT FROM {{.Schema}}.era WHERE before < until AND first > until + 1) THEN
		RETURN false;
	END IF;
	UPDATE {{.Schema}}.cursor SET position = until, moved = clock_timestamp() WHERE name = of_name AND position = at;
	RETURN true;
END $$;

-- applied_at locks the place up to which a consumer's effects are here, so that two
-- who deliver the same come one after the other, and tells it, with the server that
-- gave it. It makes the place where there is none. As with the relay's row, each
-- statement has to see what was committed before it.
CREATE OR REPLACE FUNCTION {{.Schema}}.applied_at(of_name text, start bigint, OUT at bigint, OUT home text) LANGUAGE plpgsql SET enable_seqscan = off SET jit = off AS $$
BEGIN
	SELECT a.position, a.home INTO at, home FROM {{.Schema}}.applied a WHERE name = of_name ORDER BY position DESC LIMIT 1 FOR UPDATE;
	IF NOT FOUND THEN
		PERFORM pg_advisory_xact_lock(hashtextextended('{{.Name}}/applied/' || of_name, 0));
		SELECT a.position, a.home INTO at, home FROM {{.Schema}}.applied a WHERE name = of_name ORDER BY position DESC LIMIT 1 FOR UPDATE;
	END IF;
	IF NOT FOUND THEN
		INSERT INTO {{.Schema}}.applied AS a (name, position) VALUES (of_name, start) RETURNING a.position, a.home INTO at, home;
	END IF;
END $$;

-- applied_to moves that place, which this transaction has locked.
CREATE OR REPLACE FUNCTION {{.Schema}}.applied_to(of_name text, at bigint, until bigint, gave text) RETURNS void LANGUAGE plpgsql SET enable_seqscan = off SET jit = off AS $$
BEGIN
	UPDATE {{.Schema}}.applied SET position = until, home = gave, moved = clock_timestamp() WHERE name = of_name AND position = at;
END $$;

-- sweep empties the tables of past slots in which every event is numbered and
-- behind every cursor. A table that somebody writes to or reads is left for the
-- next time: nobody waits for sweep.
CREATE OR REPLACE FUNCTION {{.Schema}}.sweep(token bigint) RETURNS integer LANGUAGE plpgsql SET enable_seqscan = off SET jit = off AS $$
DECLARE
	place {{.Schema}}.relay;
	least bigint;
	kept  boolean;
	top   bigint;
	swept integer := 0;
BEGIN
	PERFORM {{.Schema}}.at_relay(token);
	SELECT * INTO STRICT place FROM {{.Schema}}.relay ORDER BY step DESC LIMIT 1 FOR UPDATE;
	SELECT min(position) INTO least FROM {{.Schema}}.cursors();
	FOR k IN 0..{{.Last}} LOOP
		CONTINUE WHEN k = {{.Schema}}.slot();
		EXECUTE format('SELECT NOT EXISTS (SELECT FROM {{.Schema}}.event_%s)', k) INTO kept;
		CONTINUE WHEN kept;
		BEGIN
			EXECUTE format('LOCK TABLE {{.Schema}}.event_%1$s, {{.Schema}}.numbered_%1$s IN ACCESS EXCLUSIVE MODE NOWAIT', k);
			EXECUTE format('SELECT EXISTS (SELECT FROM {{.Schema}}.event_%1$s WHERE xid >= pg_snapshot_xmax($1))
				OR EXISTS (SELECT FROM pg_snapshot_xip($1) AS open (xid), LATERAL (
					SELECT FROM {{.Schema}}.event_%1$s e WHERE e.xid = open.xid OFFSET 0) e)
				OR coalesce((SELECT max(position) FROM {{.Schema}}.numbered_%1$s) > $2, true)', k) INTO kept USING place.seen, least;
			IF NOT kept THEN
				EXECUTE format('SELECT max(position) FROM {{.Schema}}.numbered_%s', k) INTO top;
				EXECUTE format('TRUNCATE {{.Schema}}.event_%1$s, {{.Schema}}.numbered_%1$s', k);
				swept := swept + 1;
				UPDATE {{.Schema}}.relay SET step = place.step + 1, emptied = greatest(emptied, top) WHERE step = place.step RETURNING * INTO STRICT place;
			END IF;
		EXCEPTION WHEN lock_not_available THEN
			NULL;
		END;
	END LOOP;
	RETURN swept;
END $$;
