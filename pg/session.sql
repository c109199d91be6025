-- Sessions: which server has what.

-- Where each timeline of this server began: what the one before had written until
-- then is here, and what it wrote later is not.
CREATE TABLE IF NOT EXISTS {{.Schema}}.timeline (
	number bigint PRIMARY KEY,
	begins bigint      NOT NULL,
	made   timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- arrive notes that. A server that was promoted knows what it replayed last, until
-- it is restarted; then its receiver of old is forgotten with it.
CREATE OR REPLACE FUNCTION {{.Schema}}.arrive() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	IF NOT pg_is_in_recovery() AND pg_last_wal_receive_lsn() IS NOT NULL THEN
		INSERT INTO {{.Schema}}.timeline (number, begins) VALUES ({{.Schema}}.timeline(), pg_last_wal_replay_lsn() - '0/0')
		ON CONFLICT (number) DO NOTHING;
	END IF;
END $$;

-- parted says where timelines up to one parted from another: the first of these
-- places, and for how many timelines it is known.
CREATE OR REPLACE FUNCTION {{.Schema}}.parted(since bigint, until bigint, OUT known bigint, OUT begins bigint) LANGUAGE plpgsql AS $$
BEGIN
	PERFORM {{.Schema}}.arrive();
	SELECT count(*), coalesce(min(t.begins), 0) INTO known, begins
	FROM {{.Schema}}.timeline t WHERE t.number > since AND t.number <= until;
END $$;

-- seen is a server's place: of a primary where it writes, of a standby what it has
-- replayed. Its timeline is asked for after the place: a receiver that is still on
-- it has received nothing of a later one.
CREATE OR REPLACE FUNCTION {{.Schema}}.seen(OUT standby boolean, OUT system bigint, OUT timeline bigint, OUT lsn bigint, OUT behind interval)
	LANGUAGE plpgsql AS $$
BEGIN
	standby := pg_is_in_recovery();
	system := (pg_control_system()).system_identifier;
	IF standby THEN
		lsn := pg_last_wal_replay_lsn() - '0/0';
		behind := clock_timestamp() - pg_last_xact_replay_timestamp();
		SELECT received_tli INTO timeline FROM pg_stat_wal_receiver WHERE status = 'streaming';
	ELSE
		lsn := pg_current_wal_insert_lsn() - '0/0';
		timeline := {{.Schema}}.timeline();
	END IF;
END $$;
