-- What the service itself keeps. No table says that an order is in it once: then
-- a duplicate would be an error, and the audit is to see it as a duplicate.
CREATE TABLE payment (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	order_id text NOT NULL, amount bigint NOT NULL, status text NOT NULL, charge text
);
CREATE INDEX ON payment (order_id);
CREATE TABLE posting (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	order_id text NOT NULL, kind text NOT NULL, amount bigint NOT NULL, source text NOT NULL DEFAULT ''
);
CREATE INDEX ON posting (source);
CREATE TABLE settlement (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	order_id text NOT NULL, batch text NOT NULL, rate bigint NOT NULL
);
CREATE INDEX ON settlement (order_id);

-- What package pg's schema replaces.
CREATE TABLE idempotency (key text PRIMARY KEY, response jsonb NOT NULL);
CREATE TABLE outbox (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	payment bigint NOT NULL, order_id text NOT NULL, amount bigint NOT NULL
);
CREATE TABLE poller (last bigint NOT NULL);
INSERT INTO poller VALUES (0);
CREATE TABLE job (name text PRIMARY KEY, owner text NOT NULL, until timestamptz NOT NULL);

CREATE ROLE payments LOGIN;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO payments;
-- What a session asks of a replica: whether it follows the primary.
GRANT pg_read_all_stats TO payments;
