-- The first schema. Frozen: a later change is a new numbered file, never an edit of this one.
-- Times named *_at and *_us are integer microseconds UTC, except oos_queue.requested_at (Unix seconds).

CREATE TABLE oos_queue (
    request_id      TEXT    NOT NULL PRIMARY KEY,
    name            TEXT    NOT NULL CHECK (name <> ''),
    requested_at    INTEGER NOT NULL,
    status          TEXT    NOT NULL CHECK (status IN ('pending', 'sent', 'retry', 'error', 'cancelled')),
    last_error      TEXT,
    kind            TEXT    NOT NULL CHECK (kind IN ('backtest', 'oos', 'wfv', 'cpcv', 'evidence')),
    digest          TEXT    NOT NULL CHECK (digest <> ''),
    run_id          TEXT    NOT NULL DEFAULT '-',
    trace_id        TEXT    NOT NULL DEFAULT '-',
    sends           INTEGER NOT NULL DEFAULT 0 CHECK (sends >= 0),
    failures        INTEGER NOT NULL DEFAULT 0 CHECK (failures >= 0),
    crashes         INTEGER NOT NULL DEFAULT 0 CHECK (crashes >= 0),
    first_sent_at   INTEGER,
    sent_at         INTEGER,
    deadline_at     INTEGER,
    next_attempt_at INTEGER,
    closed_at       INTEGER,
    requested_us    INTEGER NOT NULL,
    opened_at       INTEGER NOT NULL,
    priority        INTEGER NOT NULL DEFAULT 0,
    group_id        TEXT,
    parent_id       TEXT,
    origin          TEXT    NOT NULL DEFAULT 'operator',
    worker          TEXT,
    last_code       TEXT,
    fingerprint     TEXT    NOT NULL DEFAULT '',
    window_start    INTEGER,
    window_end      INTEGER,
    window_bars     INTEGER,
    payload_crc     INTEGER NOT NULL,
    payload         BLOB    NOT NULL,
    CHECK (requested_at = requested_us / 1000000),
    CHECK ((status = 'sent') = (deadline_at IS NOT NULL)),
    CHECK (status <> 'sent' OR (sends >= 1 AND sent_at IS NOT NULL AND worker IS NOT NULL)),
    CHECK ((status IN ('pending', 'retry')) = (next_attempt_at IS NOT NULL)),
    CHECK ((status IN ('error', 'cancelled')) = (closed_at IS NOT NULL)),
    CHECK (status <> 'error' OR (last_error IS NOT NULL AND last_code IS NOT NULL))
) STRICT;

-- An index is rewritten by every UPDATE of a column that it names, also in its WHERE. So these ask for the times
-- that belong to a state (the CHECKs above tie them to it) and not for the status: a lease touches two of them.
-- One open row a digest, and one open oos row a strategy.
CREATE UNIQUE INDEX oos_queue_open_digest ON oos_queue (digest) WHERE closed_at IS NULL;
CREATE UNIQUE INDEX oos_queue_open_oos ON oos_queue (name) WHERE closed_at IS NULL AND kind = 'oos';
CREATE INDEX oos_queue_open_other ON oos_queue (name) WHERE closed_at IS NULL AND kind <> 'oos';
CREATE INDEX oos_queue_open_age ON oos_queue (requested_us) WHERE closed_at IS NULL;
CREATE INDEX oos_queue_due ON oos_queue (priority, next_attempt_at, status) WHERE next_attempt_at IS NOT NULL;
CREATE INDEX oos_queue_sent ON oos_queue (deadline_at) WHERE deadline_at IS NOT NULL;
CREATE INDEX oos_queue_closed ON oos_queue (status, closed_at) WHERE closed_at IS NOT NULL;
CREATE INDEX oos_queue_closed_name ON oos_queue (name, kind) WHERE closed_at IS NOT NULL;

CREATE TABLE results (
    request_id    TEXT    NOT NULL PRIMARY KEY,
    name          TEXT    NOT NULL,
    kind          TEXT    NOT NULL,
    digest        TEXT    NOT NULL,
    result_digest TEXT,
    work          TEXT    NOT NULL,
    verdict       TEXT    NOT NULL CHECK (verdict IN ('OK', 'INVALID')),
    requested_us  INTEGER NOT NULL,
    sent_at       INTEGER,
    received_at   INTEGER NOT NULL,
    applied_at    INTEGER NOT NULL,
    latency_us    INTEGER NOT NULL CHECK (latency_us >= 0),
    queue_us      INTEGER CHECK (queue_us >= 0),
    run_us        INTEGER CHECK (run_us >= 0),
    sends         INTEGER NOT NULL,
    failures      INTEGER NOT NULL,
    attempt       INTEGER NOT NULL,
    run_id        TEXT    NOT NULL,
    trace_id      TEXT    NOT NULL,
    origin        TEXT    NOT NULL,
    group_id      TEXT,
    parent_id     TEXT,
    worker        TEXT,
    peer          TEXT    NOT NULL DEFAULT '',
    engine        TEXT    NOT NULL DEFAULT '',
    profile       TEXT    NOT NULL DEFAULT '',
    fingerprint   TEXT    NOT NULL DEFAULT '',
    provenance    TEXT    NOT NULL DEFAULT 'real',
    seed          TEXT,
    window_start  INTEGER,
    window_end    INTEGER,
    window_bars   INTEGER,
    unverified    INTEGER NOT NULL DEFAULT 0 CHECK (unverified IN (0, 1)),
    conflicts     INTEGER NOT NULL DEFAULT 0,
    trades        INTEGER,
    wins          INTEGER,
    losses        INTEGER,
    pnl           REAL,
    sharpe        REAL,
    sortino       REAL,
    max_drawdown  REAL,
    win_rate      REAL,
    profit_factor REAL,
    row_crc       INTEGER NOT NULL,
    detail        TEXT    NOT NULL
) STRICT;

-- The first 64 bits of a digest find it; 1,000,000 whole ones would be an index of 80 MB.
CREATE INDEX results_digest ON results (substr(digest, 8, 16));
CREATE INDEX results_name ON results (name, kind);
CREATE INDEX results_kind ON results (kind);

CREATE TABLE trade_lists (
    request_id TEXT    NOT NULL PRIMARY KEY REFERENCES results (request_id) ON DELETE CASCADE,
    name       TEXT    NOT NULL,
    applied_at INTEGER NOT NULL,
    count      INTEGER NOT NULL,
    truncated  INTEGER NOT NULL CHECK (truncated IN (0, 1)),
    row_crc    INTEGER NOT NULL,
    trades     TEXT    NOT NULL
) STRICT;
CREATE INDEX trade_lists_applied ON trade_lists (applied_at);

-- is_* come from kind backtest, oos_* from kind oos. NULL means not validated; 0.0 is a value.
CREATE TABLE strategies (
    name              TEXT    NOT NULL PRIMARY KEY CHECK (name <> ''),
    kind              TEXT    NOT NULL,
    symbol            TEXT    NOT NULL,
    timeframe         INTEGER NOT NULL CHECK (timeframe > 0),
    params            TEXT    NOT NULL,
    definition        TEXT    NOT NULL,
    definition_crc    INTEGER NOT NULL,
    work              TEXT    NOT NULL,
    defined_at        INTEGER NOT NULL,
    rank              TEXT    NOT NULL DEFAULT 'incubator'
        CHECK (rank IN ('incubator', 'B', 'A', 'S', 'legend', 'graveyard', 'retired')),
    verdict           TEXT    CHECK (verdict IN ('PASS', 'FAIL', 'INVALID', 'BLOCKED')),
    stage             TEXT,
    gates             TEXT    NOT NULL DEFAULT '[]',
    reasons           TEXT    NOT NULL DEFAULT '[]',
    numbers           TEXT    NOT NULL DEFAULT '{}',
    verdict_at        INTEGER,
    nondeterministic  INTEGER NOT NULL DEFAULT 0 CHECK (nondeterministic IN (0, 1)),
    generation        INTEGER NOT NULL DEFAULT 0,
    parent            TEXT,
    is_request_id     TEXT,
    is_requested_us   INTEGER,
    is_verdict        TEXT,
    is_result_digest  TEXT,
    is_reasons        TEXT    NOT NULL DEFAULT '{}',
    is_sharpe         REAL,
    is_sortino        REAL,
    is_profit_factor  REAL,
    is_win_rate       REAL,
    is_max_drawdown   REAL,
    is_expectancy     REAL,
    is_pnl            REAL,
    is_trades         INTEGER,
    oos_request_id    TEXT,
    oos_requested_us  INTEGER,
    oos_verdict       TEXT,
    oos_result_digest TEXT,
    oos_reasons       TEXT    NOT NULL DEFAULT '{}',
    oos_sharpe        REAL,
    oos_sortino       REAL,
    oos_profit_factor REAL,
    oos_win_rate      REAL,
    oos_max_drawdown  REAL,
    oos_expectancy    REAL,
    oos_pnl           REAL,
    oos_trades        INTEGER,
    created_at        INTEGER NOT NULL,
    updated_at        INTEGER NOT NULL,
    retired_at        INTEGER,
    revision          INTEGER NOT NULL,
    CHECK ((rank = 'retired') = (retired_at IS NOT NULL)),
    CHECK (nondeterministic = 0 OR verdict = 'INVALID')
) STRICT;
CREATE UNIQUE INDEX strategies_revision ON strategies (revision);
CREATE INDEX strategies_updated ON strategies (updated_at);

CREATE TABLE dead_letters (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    reason      TEXT    NOT NULL,
    code        TEXT    NOT NULL,
    error       TEXT    NOT NULL,
    state       TEXT    NOT NULL CHECK (state IN ('held', 'replayed', 'dropped')),
    direction   TEXT    NOT NULL CHECK (direction IN ('result', 'request', 'message')),
    first_seen  INTEGER NOT NULL,
    last_seen   INTEGER NOT NULL,
    count       INTEGER NOT NULL DEFAULT 1 CHECK (count >= 1),
    attempts    INTEGER NOT NULL DEFAULT 0 CHECK (attempts >= 0),
    peer        TEXT    NOT NULL DEFAULT '',
    request_id  TEXT,
    trace_id    TEXT    NOT NULL DEFAULT '-',
    name        TEXT,
    outcome     TEXT,
    note        TEXT    NOT NULL DEFAULT '',
    closed_at   INTEGER,
    identity    BLOB    NOT NULL,
    size        INTEGER NOT NULL,
    payload_crc INTEGER NOT NULL,
    payload     BLOB    NOT NULL,
    CHECK ((state = 'held') = (closed_at IS NULL)),
    CHECK (direction <> 'request' OR request_id IS NOT NULL),
    CHECK (size = length(payload))
) STRICT;
CREATE UNIQUE INDEX dead_letters_held ON dead_letters (identity) WHERE state = 'held';
CREATE INDEX dead_letters_state ON dead_letters (state, reason, size);
CREATE INDEX dead_letters_closed ON dead_letters (closed_at) WHERE state <> 'held';
CREATE INDEX dead_letters_request ON dead_letters (request_id) WHERE request_id IS NOT NULL;
CREATE INDEX dead_letters_name ON dead_letters (name) WHERE name IS NOT NULL;

-- What a request's timeline needs; code is set on steps that are failures.
CREATE TABLE events (
    id         INTEGER PRIMARY KEY,
    request_id TEXT    NOT NULL,
    at         INTEGER NOT NULL,
    event      TEXT    NOT NULL,
    code       TEXT,
    data       TEXT    NOT NULL
) STRICT;
CREATE INDEX events_request ON events (request_id);
CREATE INDEX events_failures ON events (at) WHERE code IS NOT NULL;

CREATE TABLE runs (
    run_id        TEXT    NOT NULL PRIMARY KEY,
    seed          TEXT    NOT NULL,
    status        TEXT    NOT NULL CHECK (status IN ('running', 'finished', 'failed', 'interrupted')),
    result_digest TEXT,
    started_at    INTEGER NOT NULL,
    finished_at   INTEGER,
    manifest      TEXT    NOT NULL,
    summary       TEXT    NOT NULL DEFAULT '{}',
    CHECK ((status = 'running') = (finished_at IS NULL))
) STRICT;

CREATE TABLE wfv_runs (
    wfv_id      TEXT    NOT NULL PRIMARY KEY,
    name        TEXT    NOT NULL,
    kind        TEXT    NOT NULL CHECK (kind IN ('wfv', 'cpcv')),
    request_id  TEXT    NOT NULL,
    state       TEXT    NOT NULL CHECK (state IN ('pending', 'done', 'failed', 'expired')),
    decision    TEXT,
    started_at  INTEGER NOT NULL,
    deadline_at INTEGER NOT NULL,
    finished_at INTEGER,
    plan        TEXT    NOT NULL,
    detail      TEXT    NOT NULL DEFAULT '{}',
    CHECK ((state = 'pending') = (finished_at IS NULL))
) STRICT;
CREATE INDEX wfv_runs_pending ON wfv_runs (started_at) WHERE state = 'pending';
CREATE INDEX wfv_runs_name ON wfv_runs (name, kind);
CREATE INDEX wfv_runs_request ON wfv_runs (request_id);

CREATE TABLE counters (
    name  TEXT    NOT NULL PRIMARY KEY,
    value INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Latency histogram: 64 buckets an octave, so a percentile is within 0.8 % of the exact one.
CREATE TABLE latencies (
    kind   TEXT    NOT NULL,
    what   TEXT    NOT NULL CHECK (what IN ('latency', 'queue', 'run')),
    bucket INTEGER NOT NULL,
    count  INTEGER NOT NULL CHECK (count > 0),
    total  INTEGER NOT NULL,
    low    INTEGER NOT NULL,
    high   INTEGER NOT NULL,
    PRIMARY KEY (kind, what, bucket)
) STRICT, WITHOUT ROWID;

CREATE TABLE meta (
    key   TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE migrations (
    number     INTEGER PRIMARY KEY,
    name       TEXT    NOT NULL,
    sha256     TEXT    NOT NULL,
    applied_at INTEGER NOT NULL
) STRICT;
