# Databases in lower layers: a clean one, one that a crash left with a hot journal, one with a WAL not
# yet checkpointed, one that is read-only.
# shellcheck shell=bash disable=SC2002,SC2012,SC2016
set -eu
sql() { sqlite3 -batch "$@"; }

lowers() {
    mkdir -p 2-middle/db 3-bottom/db 1-top/db
    sql 3-bottom/db/clean.db "CREATE TABLE t(id INTEGER PRIMARY KEY, text, n); CREATE INDEX i ON t(n);
        WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c WHERE x < 2000)
        INSERT INTO t SELECT x, 'bottom ' || x, x % 17 FROM c;"
    cp 3-bottom/db/clean.db 1-top/db/readonly.db
    chmod 0444 1-top/db/readonly.db
    cp 3-bottom/db/clean.db crashed.db
    sql crashed.db "PRAGMA cache_size = 2; BEGIN; UPDATE t SET text = 'never committed', n = n + 1;" \
        '.shell cp crashed.db 2-middle/db/hot.db; cp crashed.db-journal 2-middle/db/hot.db-journal' ROLLBACK
    cp 3-bottom/db/clean.db 3-bottom/db/wal.db
    sql 3-bottom/db/wal.db 'PRAGMA journal_mode = WAL' "INSERT INTO t VALUES (9001, 'in the WAL', 1)" \
        '.shell cp 3-bottom/db/wal.db-wal 2-middle/db/unfolded.db-wal; cp 3-bottom/db/wal.db 3-bottom/db/unfolded.db'
    rm -f crashed.db*
}

run() {
    cd db
    local mode id
    sql hot.db "PRAGMA integrity_check; SELECT count(*) FROM t WHERE text LIKE 'never%'"; ls
    sql unfolded.db 'PRAGMA journal_mode; SELECT text FROM t WHERE id = 9001; PRAGMA wal_checkpoint(TRUNCATE)'; ls
    sql -readonly clean.db 'SELECT sum(n) FROM t'
    sql readonly.db 'SELECT sum(n) FROM t; DELETE FROM t' || echo "sqlite3: $?"
    for mode in delete truncate persist memory wal off; do
        sql clean.db "PRAGMA journal_mode = $mode; BEGIN; UPDATE t SET n = n + 1; SELECT sum(n) FROM t; ROLLBACK;
            BEGIN IMMEDIATE; INSERT INTO t(text, n) VALUES ('$mode', 1); COMMIT; SELECT count(*) FROM t"; ls
    done
    sql clean.db 'PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL'
    for id in 1 2 3 4; do
        for _ in $(seq 10); do sql -cmd '.timeout 30000' clean.db "INSERT INTO t(text, n) VALUES ('writer', $id)"; done &
    done
    wait
    sql clean.db "SELECT n, count(*) FROM t WHERE text = 'writer' GROUP BY n; DELETE FROM t WHERE text = 'writer'"
    sql clean.db 'PRAGMA journal_mode = DELETE; DELETE FROM t WHERE id % 3; VACUUM; PRAGMA integrity_check'; ls -s clean.db
    sql clean.db "VACUUM INTO 'into.db'; ATTACH 'attached.db' AS a; CREATE TABLE a.u AS SELECT * FROM t" '.backup backup.db' .dump
    sql made.db 'PRAGMA page_size = 512; CREATE TABLE v(a UNIQUE); INSERT INTO v VALUES (1), (2); VACUUM; SELECT * FROM v'
    rm clean.db hot.db; ls
    sql clean.db 'CREATE TABLE fresh(x); SELECT name FROM sqlite_master'
    for id in backup into attached made; do sql "$id.db" 'PRAGMA integrity_check'; done
    rm backup.db into.db attached.db # concurrent writers leave pages in any order
}
