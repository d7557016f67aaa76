//! The index's table and Kafka Store's view of it.

use crate::ledger::schema::{Component, Step};

/// Times are milliseconds since 1970, sizes bytes, offsets inclusive at both ends: what people ask for. `size` and
/// `checksum` are as stored; `bytes` are uncompressed. An entity tag without a dash is an MD5.
pub(super) const INDEX: Component =
    Component { name: "index", steps: &[Step { postgres: POSTGRES, mysql: MYSQL, sqlite: SQLITE }] };

const POSTGRES: &str = "\
CREATE TABLE IF NOT EXISTS secor_files (
    ledger_id text COLLATE \"C\" NOT NULL,
    file_key text COLLATE \"C\" NOT NULL,
    topic text COLLATE \"C\" NOT NULL,
    kafka_partition integer NOT NULL,
    generation bigint NOT NULL,
    batch_start bigint NOT NULL,
    batch_end bigint NOT NULL,
    first_offset bigint NOT NULL,
    last_offset bigint NOT NULL,
    records bigint NOT NULL,
    bytes bigint NOT NULL,
    size bigint NOT NULL,
    checksum text,
    timestamp_min bigint,
    timestamp_max bigint,
    event_time_min bigint,
    event_time_max bigint,
    dead_letters smallint NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (ledger_id, file_key)
);
CREATE INDEX IF NOT EXISTS secor_files_offsets ON secor_files (ledger_id, topic, kafka_partition, generation, batch_end);
CREATE INDEX IF NOT EXISTS secor_files_times ON secor_files (topic, event_time_min);
CREATE OR REPLACE VIEW kafka_store_files AS SELECT
    topic, kafka_partition AS partition, first_offset AS start_offset, last_offset AS final_offset, size,
    CASE WHEN checksum LIKE 'etag:%' AND length(checksum) = 37 AND checksum NOT LIKE '%-%' THEN substr(checksum, 6) END AS md5,
    file_key, ledger_id
FROM secor_files WHERE dead_letters = 0;";

const MYSQL: &str = "\
CREATE TABLE IF NOT EXISTS secor_files (
    ledger_id VARBINARY(32) NOT NULL,
    file_key VARBINARY(1024) NOT NULL,
    topic VARBINARY(249) NOT NULL,
    kafka_partition INT NOT NULL,
    generation BIGINT NOT NULL,
    batch_start BIGINT NOT NULL,
    batch_end BIGINT NOT NULL,
    first_offset BIGINT NOT NULL,
    last_offset BIGINT NOT NULL,
    records BIGINT NOT NULL,
    bytes BIGINT NOT NULL,
    size BIGINT NOT NULL,
    checksum VARCHAR(255),
    timestamp_min BIGINT,
    timestamp_max BIGINT,
    event_time_min BIGINT,
    event_time_max BIGINT,
    dead_letters SMALLINT NOT NULL,
    created_at TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP,
    PRIMARY KEY (ledger_id, file_key),
    KEY secor_files_offsets (ledger_id, topic, kafka_partition, generation, batch_end),
    KEY secor_files_times (topic, event_time_min)
) ENGINE=InnoDB;
CREATE OR REPLACE VIEW kafka_store_files AS SELECT
    topic, kafka_partition AS `partition`, first_offset AS start_offset, last_offset AS final_offset, size,
    CASE WHEN checksum LIKE 'etag:%' AND length(checksum) = 37 AND checksum NOT LIKE '%-%' THEN substr(checksum, 6) END AS md5,
    file_key, ledger_id
FROM secor_files WHERE dead_letters = 0;";

const SQLITE: &str = "\
CREATE TABLE IF NOT EXISTS secor_files (
    ledger_id TEXT NOT NULL,
    file_key TEXT NOT NULL,
    topic TEXT NOT NULL,
    kafka_partition INTEGER NOT NULL,
    generation INTEGER NOT NULL,
    batch_start INTEGER NOT NULL,
    batch_end INTEGER NOT NULL,
    first_offset INTEGER NOT NULL,
    last_offset INTEGER NOT NULL,
    records INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    size INTEGER NOT NULL,
    checksum TEXT,
    timestamp_min INTEGER,
    timestamp_max INTEGER,
    event_time_min INTEGER,
    event_time_max INTEGER,
    dead_letters INTEGER NOT NULL,
    created_at TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP,
    PRIMARY KEY (ledger_id, file_key)
);
CREATE INDEX IF NOT EXISTS secor_files_offsets ON secor_files (ledger_id, topic, kafka_partition, generation, batch_end);
CREATE INDEX IF NOT EXISTS secor_files_times ON secor_files (topic, event_time_min);
CREATE VIEW IF NOT EXISTS kafka_store_files AS SELECT
    topic, kafka_partition AS \"partition\", first_offset AS start_offset, last_offset AS final_offset, size,
    CASE WHEN checksum LIKE 'etag:%' AND length(checksum) = 37 AND checksum NOT LIKE '%-%' THEN substr(checksum, 6) END AS md5,
    file_key, ledger_id
FROM secor_files WHERE dead_letters = 0;";
