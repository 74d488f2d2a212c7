use super::*;
use crate::mysql::packet::framed;

fn query(text: &str) -> Vec<u8> {
    [b"\x03", text.as_bytes()].concat()
}

fn may(text: &str) -> bool {
    let with_attributes = [b"\x03\0\x01", text.as_bytes()].concat();
    let alone = passes(&query(text), false);
    assert_eq!(passes(&with_attributes, true), alone, "{text:?}");
    alone
}

#[test]
fn kill_and_what_drivers_say_before_it_passes() {
    for text in [
        "KILL 7",
        "kill query 4026531841;",
        "/* ping */ KILL HARD CONNECTION 7 ; ",
        "-- stop it\nKILL 7",
        "# stop it\nKILL 7",
        "KILL USER ann",
        "SET NAMES utf8mb4",
        "SET autocommit=1, sql_mode = concat(@@sql_mode,',STRICT_TRANS_TABLES')",
        "set session transaction isolation level read committed",
        "SET @@table_open_cache = 4000, sql_select_limit = DEFAULT, sql_mode = 'NO_TABLE_OPTIONS,NO_AUTO_VALUE_ON_ZERO'",
        "SET @selected = 1, @values_1 = 'table$'",
        "set sql_mode = (if(@@sql_mode = '', 'ANSI', concat(replace(@@sql_mode, 'ANSI', ''), ',STRICT_ALL_TABLES')))",
        "SET @a = 1 + (2), @b = IFNULL (@@sql_mode, -(1))",
        "SELECT @@version_comment LIMIT 1",
        "select @@session.auto_increment_increment AS a, @@character_set_client AS b, @@wait_timeout c",
        "/* mysql-connector-j */SELECT  @@max_allowed_packet",
        "SHOW PROCESSLIST",
        "show full processlist;",
    ] {
        assert!(may(text), "{text:?}");
    }
    for command in [&b"\x01"[..], b"\x02reports", b"\x09", b"\x0c\x07\0\0\0", b"\x0e"] {
        assert!(passes(command, false) && passes(command, true), "{command:?}");
    }
}

#[test]
fn anything_else_does_not() {
    for text in [
        "",
        ";",
        "SELECT 1",
        "SELECT @@version, SLEEP(60)",
        "SELECT @@version FROM t",
        "SELECT @@version a b",
        "SELECT@ @version LIMIT 1",
        "SELECT @@version UNION SELECT secret FROM t",
        "SELECT @@version INTO OUTFILE '/tmp/x'",
        "SELECT @@version LIMIT 1 FOR UPDATE",
        "SELECT @@version LIMIT (SELECT 1)",
        "SELECT @x",
        "SELECT @@",
        "SHOW TABLES",
        "SHOW PROCESSLIST LIMIT 1",
        "SHOW FULL",
        "INSERT INTO t VALUES (1)",
        "KILLED 7",
        "SETTLE",
        "DELETE FROM t",
        "BEGIN",
        "TABLE t",
        "VALUES ROW(1)",
        "WITH a AS (SELECT 1) SELECT * FROM a",
        "HANDLER t OPEN",
        "DO SLEEP(9)",
        "CALL f()",
    ] {
        assert!(!may(text), "{text:?}");
    }
    for command in [&b""[..], b"\x11root\0", b"\x16SELECT 1", b"\x17\x01", b"\x1f", b"\x04t", b"\x12", b"\xfe"] {
        assert!(!passes(command, false) && !passes(command, true), "{command:?}");
    }
}

#[test]
fn a_second_statement_does_not_hide_behind_the_first() {
    for text in [
        "KILL 7; DELETE FROM t",
        "SET @a = 1; SELECT 2",
        "SET @a = 'x;y'",
        "KILL 7 /*! ; DELETE FROM t */",
        "/*! DELETE FROM t */",
        "/*M! DELETE FROM t */",
        "/*!50000 KILL 7 */",
        "KILL /* x */ 7",
        "SET STATEMENT max_statement_time=1 FOR SELECT SLEEP(9)",
        "set\tstatement max_statement_time=1 for delete from t",
        "SET/**/STATEMENT max_statement_time=1 FOR DELETE FROM t",
        "SET @a = (SELECT SLEEP(9))",
        "SET @a=(sElEcT SLEEP(9))",
        "KILL (SELECT 7)",
        "SET @a = 1 -- x\n; DELETE FROM t",
        "KILL 7\0DELETE",
    ] {
        assert!(!may(text), "{text:?}");
    }
}

#[test]
fn a_query_does_not_hide_within_a_statement() {
    for text in [
        "SET @a = (TABLE t)",
        "SET @a=(tAbLe t)",
        "SET @a = (VALUES ROW(1))",
        "SET @a = ((\tVALUES(1)))",
        "SET @a = (WITH a AS (TABLE t) TABLE a)",
        "SET @a = EXISTS (TABLE t)",
        "SET @a = (TABLE`t`)",
        "SET @a = (TABLE\"t\")",
        "SET @a = (1.+(TABLE t))",
        "KILL (TABLE t)",
        "KILL (VALUES ROW(1))",
        "KILL QUERY (VALUES (1))",
        "KILL (7)",
    ] {
        assert!(!may(text), "{text:?}");
    }
    // A server that reads latin1 takes this byte for a space.
    assert!(!passes(b"\x03SET @a = (\xa0SELECT\xa0SLEEP(9))", false));
    assert!(!passes(b"\x03SET @a = (\xa0TABLE\xa0t)", false));
}

#[test]
fn a_function_that_may_take_its_time_is_not_called() {
    for text in [
        "SET @a = SLEEP(1000)",
        "SET @a = sleep (1000)",
        "SET @a = BENCHMARK(1000000000, 1)",
        "SET @a = GET_LOCK('a', 1000)",
        "SET @a = CONCAT(f(1), 'x')",
        "SET @a = `f`(1)",
        "SET @a = \"f\"(1)",
        "SET @a = `concat`(1)",
        "SET @a = d.concat(1)",
        "SET @a = d .concat(1)",
        "SET @a = d. concat(1)",
        "SET @a = d . concat(1)",
        "SET @a = `d`.concat(1)",
        "KILL CONNECTION_ID()",
        "KILL QUERY f(7)",
    ] {
        assert!(!may(text), "{text:?}");
    }
    assert!(!passes(b"\x03SET @a = sleep\xa0(1000)", false));
}

#[test]
fn a_statement_with_attributes_of_its_own_does_not_pass() {
    assert!(!passes(b"\x03\x01\x01KILL 7", true));
    assert!(!passes(b"\x03KILL 7", true));
}

#[test]
fn commands_pass_whole_however_they_are_cut_until_one_is_refused() {
    let good = [framed(0, &query("SET NAMES utf8mb4")), framed(0, &query("KILL 7")), framed(0, b"\x0e")].concat();
    let all = [good.clone(), framed(0, &query("SELECT 1")), framed(0, &query("KILL 7"))].concat();
    for size in 1..=all.len() {
        let mut gate = OnlyKill::new(false);
        let mut passed = Vec::new();
        for piece in all.chunks(size) {
            passed.extend(gate.client_sent(piece));
        }
        assert_eq!(passed, good, "in pieces of {size}");
        assert!(gate.is_refused());
    }
}

#[test]
fn a_command_that_is_too_long_or_out_of_order_is_refused_by_its_header() {
    for header in [&[2, 16, 0, 0][..], &[0xff, 0xff, 0xff, 0], &[1, 0, 0, 1]] {
        let mut gate = OnlyKill::new(false);
        assert_eq!(gate.client_sent(header), b"");
        assert!(gate.is_refused(), "{header:?}");
    }
    let mut gate = OnlyKill::new(false);
    let longest = format!("SET @a = '{}'", "x".repeat(MAX_COMMAND_BYTES - 12));
    assert!(!gate.client_sent(&framed(0, &query(&longest))).is_empty());
    assert!(!gate.is_refused());
}
