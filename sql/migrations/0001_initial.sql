-- The first schema. Rules for what changes tasks: docs/store.md.
CREATE SCHEMA IF NOT EXISTS ringmaster;

CREATE TABLE ringmaster.meta (
  store_id uuid NOT NULL DEFAULT gen_random_uuid()
);
COMMENT ON TABLE ringmaster.meta IS 'One row. A restored database must get a new store_id, so that old spools cannot lie to it.';
INSERT INTO ringmaster.meta DEFAULT VALUES;

CREATE TABLE ringmaster.master (
  incarnation bigint PRIMARY KEY,
  node_id text NOT NULL,
  rpc_address text NOT NULL,
  http_address text NOT NULL,
  version text NOT NULL,
  state text NOT NULL DEFAULT 'living' CHECK (state IN ('living', 'dead', 'ended')),
  generation bigint NOT NULL DEFAULT 1,
  started_at timestamptz NOT NULL DEFAULT now(),
  ended_at timestamptz
);
COMMENT ON TABLE ringmaster.master IS 'One row for each life of each master daemon; never revived. Locked in the order of incarnation.';
COMMENT ON COLUMN ringmaster.master.state IS 'living; dead: declared so by another master; ended: resigned in order.';
COMMENT ON COLUMN ringmaster.master.generation IS 'Bumped, with all its fence rows, whenever this master releases shards.';

CREATE TABLE ringmaster.fence (
  incarnation bigint NOT NULL,
  connection integer NOT NULL,
  generation bigint NOT NULL,
  backend_pid integer NOT NULL,
  backend_start timestamptz NOT NULL,
  PRIMARY KEY (incarnation, connection)
) WITH (fillfactor = 50, autovacuum_vacuum_threshold = 20, autovacuum_vacuum_scale_factor = 0);
COMMENT ON TABLE ringmaster.fence IS 'One row for each database connection of a living master. What changes tasks locks its own row FOR SHARE; without the row it changes nothing.';
COMMENT ON COLUMN ringmaster.fence.connection IS 'Counts the connections of one incarnation; never used again.';
COMMENT ON COLUMN ringmaster.fence.generation IS 'A statement built under another generation changes nothing.';
COMMENT ON COLUMN ringmaster.fence.backend_start IS 'Tells a backend from a later one with the same process id.';

CREATE TABLE ringmaster.shard (
  id smallint PRIMARY KEY CHECK (id BETWEEN 0 AND 255),
  owner bigint,
  epoch bigint NOT NULL DEFAULT 0
) WITH (fillfactor = 50);
COMMENT ON TABLE ringmaster.shard IS '256 slices of all tasks (id & 255) and who owns them.';
COMMENT ON COLUMN ringmaster.shard.owner IS 'Incarnation of the owner; null: nobody.';
COMMENT ON COLUMN ringmaster.shard.epoch IS 'Grows by one at each change of owner; 0: never owned.';
INSERT INTO ringmaster.shard (id) SELECT generate_series(0, 255);

CREATE SEQUENCE ringmaster.task_seq INCREMENT BY 16384 MINVALUE 16384;
COMMENT ON SEQUENCE ringmaster.task_seq IS 'Each value is the first of a block of 16384 sequence numbers; a task id is (sequence << 8) | shard.';

CREATE TABLE ringmaster.task (
  id bigint NOT NULL,
  rank bigint NOT NULL,
  run_at timestamptz NOT NULL,
  created_at timestamptz NOT NULL,
  worker_incarnation bigint,
  epoch bigint,
  started_at timestamptz,
  timeout_us bigint,
  start_deadline_us bigint,
  retry_of bigint,
  cancel_requested_at timestamptz,
  attempt integer NOT NULL DEFAULT 1,
  failures integer,
  crashes integer,
  state smallint NOT NULL,
  priority smallint NOT NULL,
  on_worker_lost smallint,
  routing smallint,
  ns text NOT NULL,
  kind text NOT NULL,
  grp text NOT NULL,
  spec text NOT NULL,
  worker text,
  routing_key text,
  retry text,
  labels text,
  traceparent text,
  created_by text,
  attempts jsonb,
  PRIMARY KEY (id) WITH (fillfactor = 90)
) WITH (
  fillfactor = 85,
  autovacuum_vacuum_threshold = 2000,
  autovacuum_vacuum_scale_factor = 0.01,
  autovacuum_vacuum_insert_threshold = -1,
  autovacuum_analyze_threshold = 10000,
  autovacuum_analyze_scale_factor = 0.2,
  autovacuum_vacuum_cost_delay = 0,
  toast.autovacuum_vacuum_cost_delay = 0
);
CREATE INDEX task_lane ON ringmaster.task (grp, rank, id);
COMMENT ON TABLE ringmaster.task IS 'Tasks that have not ended. Null means the default of a rarely used column: most inserts write few of them.';
COMMENT ON INDEX ringmaster.task_lane IS 'The only secondary index: no change of another column can touch an index.';
COMMENT ON COLUMN ringmaster.task.rank IS 'Microseconds: run_at - priority * ageing step; smaller runs first. Fixed at insert and at retry.';
COMMENT ON COLUMN ringmaster.task.worker IS 'Recorded dispatch or running mark: the node id of the worker.';
COMMENT ON COLUMN ringmaster.task.worker_incarnation IS 'The life of that worker that the dispatch was meant for.';
COMMENT ON COLUMN ringmaster.task.epoch IS 'The epoch of its shard when it was dispatched.';
COMMENT ON COLUMN ringmaster.task.timeout_us IS 'Microseconds that one attempt may run; null: no limit.';
COMMENT ON COLUMN ringmaster.task.start_deadline_us IS 'Microseconds from run_at to the first start; null: no limit.';
COMMENT ON COLUMN ringmaster.task.retry_of IS 'The task that this one repeats on request.';
COMMENT ON COLUMN ringmaster.task.cancel_requested_at IS 'The committed intent to cancel.';
COMMENT ON COLUMN ringmaster.task.attempt IS 'The number of the next or the current attempt, from 1; durable before it is sent.';
COMMENT ON COLUMN ringmaster.task.failures IS 'Attempts that counted against max_attempts; null: 0.';
COMMENT ON COLUMN ringmaster.task.crashes IS 'Deaths of workers while it ran; null: 0.';
COMMENT ON COLUMN ringmaster.task.state IS '0 delayed, 1 ready, 2 running, 3 cancelling, 4 quarantined.';
COMMENT ON COLUMN ringmaster.task.on_worker_lost IS '0 or null rerun, 1 rerun_after_lease, 2 fail.';
COMMENT ON COLUMN ringmaster.task.routing IS '0 or null bounded, 1 strict.';
COMMENT ON COLUMN ringmaster.task.ns IS 'Namespace.';
COMMENT ON COLUMN ringmaster.task.grp IS 'Group: the set of workers, and the lane.';
COMMENT ON COLUMN ringmaster.task.spec IS 'JSON object, as submitted; its fields belong to the kind.';
COMMENT ON COLUMN ringmaster.task.routing_key IS 'Place on the ring; null: the id.';
COMMENT ON COLUMN ringmaster.task.retry IS 'max_attempts, backoff, factor, backoff_max (microseconds), separated by spaces; null: one attempt.';
COMMENT ON COLUMN ringmaster.task.labels IS 'JSON object of strings, as submitted.';
COMMENT ON COLUMN ringmaster.task.attempts IS 'JSON array of the earlier attempts, at most the last 100; output tails in base64.';

CREATE TABLE ringmaster.task_history (
  id bigint NOT NULL,
  rank bigint NOT NULL,
  run_at timestamptz NOT NULL,
  created_at timestamptz NOT NULL,
  finished_at timestamptz NOT NULL,
  worker_incarnation bigint,
  epoch bigint,
  started_at timestamptz,
  ended_at timestamptz,
  timeout_us bigint,
  start_deadline_us bigint,
  retry_of bigint,
  cancel_requested_at timestamptz,
  user_us bigint,
  system_us bigint,
  max_rss_kib bigint,
  attempt integer NOT NULL,
  failures integer,
  crashes integer,
  exit_code integer,
  signal integer,
  state smallint NOT NULL,
  outcome smallint NOT NULL,
  priority smallint NOT NULL,
  on_worker_lost smallint,
  routing smallint,
  permanent boolean,
  ns text NOT NULL,
  kind text NOT NULL,
  grp text NOT NULL,
  spec text NOT NULL,
  worker text,
  routing_key text,
  retry text,
  labels text,
  traceparent text,
  created_by text,
  message text,
  output_tail bytea,
  attempts jsonb
) PARTITION BY RANGE (finished_at);
COMMENT ON TABLE ringmaster.task_history IS 'Tasks that have ended, never changed again; one partition for each UTC day, dropped as a whole.';
COMMENT ON COLUMN ringmaster.task_history.finished_at IS 'When the end was recorded, by the clock of the database.';
COMMENT ON COLUMN ringmaster.task_history.ended_at IS 'When the last attempt ended, by the clock of its worker.';
COMMENT ON COLUMN ringmaster.task_history.attempt IS 'The attempt whose result this is; the earlier ones are in attempts.';
COMMENT ON COLUMN ringmaster.task_history.state IS '10 succeeded, 11 failed, 12 cancelled, 13 timed out, 14 lost.';
COMMENT ON COLUMN ringmaster.task_history.outcome IS 'Of the last attempt: 0 succeeded, 1 failed, 2 timed out, 3 cancelled, 4 lost.';
COMMENT ON COLUMN ringmaster.task_history.permanent IS 'True: a retry could not help. Null: false.';
COMMENT ON COLUMN ringmaster.task_history.output_tail IS 'The last bytes of its output, as they were.';

-- Catches what no day's partition takes: a late chore must not stop completions.
CREATE TABLE ringmaster.task_history_default PARTITION OF ringmaster.task_history DEFAULT;
CREATE INDEX task_history_default_id ON ringmaster.task_history_default (id);

-- Makes the partition of one UTC day, unless it is there or the default one holds rows of that day already.
CREATE FUNCTION ringmaster.make_history_partition(day date) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  name text := 'task_history_' || to_char(day, 'YYYYMMDD');
  low timestamptz := day::timestamp AT TIME ZONE 'UTC';
  high timestamptz := (day + 1)::timestamp AT TIME ZONE 'UTC';
BEGIN
  IF to_regclass('ringmaster.' || name) IS NOT NULL
     OR EXISTS (SELECT FROM ringmaster.task_history_default WHERE finished_at >= low AND finished_at < high) THEN
    RETURN;
  END IF;
  EXECUTE format('CREATE TABLE ringmaster.%I (LIKE ringmaster.task_history INCLUDING DEFAULTS INCLUDING COMMENTS,'
                 ' CONSTRAINT bounds CHECK (finished_at >= %L AND finished_at < %L)) WITH (autovacuum_vacuum_insert_threshold = 1000000)',
                 name, low, high);
  EXECUTE format('CREATE INDEX %I ON ringmaster.%I (id)', name || '_id', name);
  EXECUTE format('ALTER TABLE ringmaster.task_history ATTACH PARTITION ringmaster.%I FOR VALUES FROM (%L) TO (%L)',
                 name, low, high);
  -- It spared the scan at ATTACH; from now on the routing of rows says the same.
  EXECUTE format('ALTER TABLE ringmaster.%I DROP CONSTRAINT bounds', name);
END $$;

-- Partitions for today and the days ahead; drops those that ended more than `retention` ago (null: none). One caller at
-- a time.
CREATE FUNCTION ringmaster.maintain_history(days_ahead integer, retention interval) RETURNS void
LANGUAGE plpgsql SET lock_timeout = '2s' SET timezone = 'UTC' AS $$
DECLARE
  today date := (now() AT TIME ZONE 'UTC')::date;
  old text;
BEGIN
  IF NOT pg_try_advisory_xact_lock(hashtext('ringmaster.maintain_history')) THEN
    RETURN;
  END IF;
  FOR ahead IN 0 .. days_ahead LOOP
    PERFORM ringmaster.make_history_partition(today + ahead);
  END LOOP;
  FOR old IN
    SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
    WHERE i.inhparent = 'ringmaster.task_history'::regclass AND c.relname ~ '^task_history_[0-9]{8}$'
      AND (to_date(right(c.relname, 8), 'YYYYMMDD') + 1)::timestamptz <= now() - retention
    ORDER BY 1
  LOOP
    EXECUTE format('DROP TABLE ringmaster.%I', old);
  END LOOP;
  DELETE FROM ringmaster.task_history_default WHERE finished_at < now() - retention;
END $$;

-- The fence row of the calling connection. Null: this incarnation is not living.
CREATE FUNCTION ringmaster.make_fence(self bigint, self_connection integer) RETURNS bigint
LANGUAGE plpgsql SET lock_timeout = '5s' AS $$
DECLARE
  current bigint;
BEGIN
  SELECT generation INTO current FROM ringmaster.master WHERE incarnation = self AND state = 'living' FOR SHARE;
  IF NOT FOUND THEN
    RETURN NULL;
  END IF;
  INSERT INTO ringmaster.fence (incarnation, connection, generation, backend_pid, backend_start)
  SELECT self, self_connection, current, a.pid, a.backend_start FROM pg_stat_get_activity(pg_backend_pid()) a;
  RETURN current;
END $$;

-- Ends the backends that these fence rows name; one that is gone already, or whose process id lives again, is left.
CREATE FUNCTION ringmaster.end_backends(whose bigint, which integer) RETURNS void LANGUAGE sql AS $$
  SELECT pg_terminate_backend(f.backend_pid)
  FROM ringmaster.fence f JOIN pg_stat_activity a ON a.pid = f.backend_pid AND a.backend_start = f.backend_start
  WHERE f.incarnation = whose AND (which IS NULL OR f.connection = which) AND f.backend_pid <> pg_backend_pid()
$$;

-- Settles the fate of a lost connection: what it sent has happened, or cannot happen any more. Answers the generation.
CREATE FUNCTION ringmaster.settle(self bigint, lost integer) RETURNS bigint
LANGUAGE plpgsql SET lock_timeout = '500ms' AS $$
BEGIN
  PERFORM ringmaster.end_backends(self, lost);
  DELETE FROM ringmaster.fence WHERE incarnation = self AND connection = lost;
  -- A transaction id: with a synchronous standby, what was seen is there too when this is answered.
  PERFORM pg_current_xact_id();
  RETURN (SELECT generation FROM ringmaster.master WHERE incarnation = self);
END $$;

-- Answers the new generation; null: fenced, and nothing happened.
CREATE FUNCTION ringmaster.release_shards(self bigint, self_connection integer, self_generation bigint, ids smallint[])
RETURNS bigint LANGUAGE plpgsql SET lock_timeout = '5s' AS $$
BEGIN
  PERFORM FROM ringmaster.master WHERE incarnation = self AND state = 'living' AND generation = self_generation
    FOR NO KEY UPDATE;
  IF NOT FOUND THEN
    RETURN NULL;
  END IF;
  UPDATE ringmaster.fence SET generation = self_generation + 1
    WHERE incarnation = self AND connection = self_connection AND generation = self_generation;
  IF NOT FOUND THEN
    RETURN NULL;
  END IF;
  UPDATE ringmaster.master SET generation = self_generation + 1 WHERE incarnation = self;
  UPDATE ringmaster.fence SET generation = self_generation + 1
    WHERE incarnation = self AND connection <> self_connection;
  UPDATE ringmaster.shard SET owner = NULL WHERE owner = self AND id = ANY (ids);
  RETURN self_generation + 1;
END $$;

-- False: the caller is not living. A lock time-out means: call again.
CREATE FUNCTION ringmaster.take_over(self bigint, self_connection integer, dead bigint) RETURNS boolean
LANGUAGE plpgsql SET lock_timeout = '250ms' AS $$
BEGIN
  IF NOT EXISTS (SELECT FROM ringmaster.master WHERE incarnation = self AND state = 'living') THEN
    RETURN false;
  END IF;
  PERFORM ringmaster.end_backends(dead, NULL);
  PERFORM FROM ringmaster.master WHERE incarnation IN (self, dead) ORDER BY incarnation FOR UPDATE;
  PERFORM FROM ringmaster.fence WHERE incarnation = self AND connection = self_connection FOR SHARE;
  IF NOT FOUND OR NOT EXISTS (SELECT FROM ringmaster.master WHERE incarnation = self AND state = 'living') THEN
    RETURN false;
  END IF;
  UPDATE ringmaster.master SET state = 'dead', ended_at = now() WHERE incarnation = dead AND state = 'living';
  DELETE FROM ringmaster.fence WHERE incarnation = dead;
  UPDATE ringmaster.shard SET owner = NULL WHERE owner = dead;
  RETURN true;
END $$;

CREATE FUNCTION ringmaster.resign(self bigint, self_connection integer, self_generation bigint) RETURNS boolean
LANGUAGE plpgsql SET lock_timeout = '5s' AS $$
BEGIN
  PERFORM FROM ringmaster.master WHERE incarnation = self AND state = 'living' FOR UPDATE;
  IF NOT FOUND THEN
    RETURN false;
  END IF;
  PERFORM FROM ringmaster.fence
    WHERE incarnation = self AND connection = self_connection AND generation = self_generation FOR SHARE;
  IF NOT FOUND THEN
    RETURN false;
  END IF;
  UPDATE ringmaster.master SET state = 'ended', ended_at = now() WHERE incarnation = self;
  DELETE FROM ringmaster.fence WHERE incarnation = self;
  UPDATE ringmaster.shard SET owner = NULL WHERE owner = self;
  RETURN true;
END $$;
