-- What a worker's death, a cancel and a quarantine leave behind. Expands only.

CREATE TABLE ringmaster.late_result (
  task bigint NOT NULL,
  epoch bigint NOT NULL,
  attempt integer NOT NULL,
  worker text,
  received_at timestamptz NOT NULL DEFAULT now(),
  outcome smallint NOT NULL,
  exit_code integer,
  signal integer,
  started_at timestamptz,
  ended_at timestamptz,
  user_us bigint,
  system_us bigint,
  max_rss_kib bigint,
  message text,
  output_tail bytea,
  PRIMARY KEY (task, epoch, attempt)
);
CREATE INDEX late_result_received ON ringmaster.late_result (received_at);
COMMENT ON TABLE ringmaster.late_result IS 'Results whose attempt had been given up when they came: they change nothing and are kept to be seen. One for each token; null means the default.';
COMMENT ON INDEX ringmaster.late_result_received IS 'For the chore that deletes what is past retention.';
COMMENT ON COLUMN ringmaster.late_result.task IS 'In task, in task_history, or in neither any more.';
COMMENT ON COLUMN ringmaster.late_result.epoch IS 'With task and attempt the token of the attempt that was given up.';
COMMENT ON COLUMN ringmaster.late_result.worker IS 'The node id of the worker that ran it.';
COMMENT ON COLUMN ringmaster.late_result.received_at IS 'When it was recorded, by the clock of the database.';
COMMENT ON COLUMN ringmaster.late_result.outcome IS '0 succeeded, 1 failed, 2 timed out, 3 cancelled, 4 lost.';
COMMENT ON COLUMN ringmaster.late_result.started_at IS 'By the clock of its worker, as ended_at is.';
COMMENT ON COLUMN ringmaster.late_result.output_tail IS 'The last bytes of its output, as they were.';

COMMENT ON COLUMN ringmaster.task.rank IS 'Microseconds: run_at - priority * ageing step; smaller runs first. Fixed at insert, at retry and at release. The largest bigint: quarantined, in no page.';
COMMENT ON COLUMN ringmaster.task.crashes IS 'Deaths of workers while it ran, since its release from quarantine; null: 0.';
COMMENT ON COLUMN ringmaster.task.state IS '0 delayed, 1 ready, 2 running, 3 cancelling, 4 quarantined until it is released or cancelled.';
COMMENT ON COLUMN ringmaster.task.cancel_requested_at IS 'The committed intent to cancel: no retry and no dispatch is recorded any more.';
