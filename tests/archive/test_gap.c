/* Rows of the ledger. Expected: docs/design.md ("Gaps", P4) and the contract in archive/gap.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "archive/gap.h"
#include "archive/ledger.h"
#include "tests/testing/archive_fixture.h"

static gap_row make_row(const char *feed, uint64_t from_ns, uint64_t to_ns, const char *cause)
{
    return (gap_row){.reason = GAP_CRASH,
                     .feed = feed,
                     .topic = "",
                     .symbol = "",
                     .from_ns = from_ns,
                     .to_ns = to_ns,
                     .frames_lost = GAP_FRAMES_UNKNOWN,
                     .covered_by = "",
                     .cause = cause,
                     .detail = ""};
}

static void test_origins(void **state)
{
    (void)state;
    static const struct {
        time_reason reason;
        const char *cause, *detail, *origin;
    } ROWS[] = {
        {GAP_DISCONNECT, "closed_by_peer", "close code 1001", "exchange_planned"},
        {GAP_DISCONNECT, "closed_by_peer", "close code 1011", "exchange"},
        {GAP_DISCONNECT, "closed_by_peer", "", "exchange"},
        {GAP_DISCONNECT, "announced", "", "exchange_planned"},
        {GAP_DISCONNECT, "announced", "close code 1011", "exchange_planned"},
        {GAP_DISCONNECT, "reset", "", "network"},
        {GAP_DISCONNECT, "protocol", "close code 1001", "exchange"},
        {GAP_DISCONNECT, "withdrawn", "", "exchange"},
        {GAP_DISCONNECT, "withdrawn", GAP_DETAIL_INSTRUMENT_ENDED, "instrument_ended"},
        {GAP_DISCONNECT, "made up", "", "unknown"},
        {GAP_STALE, "closed_by_us", GAP_DETAIL_PINGS_ANSWERED, "exchange"},
        {GAP_STALE, "closed_by_us", "", "network"},
        {GAP_CRASH, "anything", "anything", "us"},
        {GAP_PRUNED, "", "", "us"},
    };
    for (size_t i = 0; i < sizeof ROWS / sizeof ROWS[0]; i++) {
        gap_row row = make_row("a", 10, 20, ROWS[i].cause);
        row.reason = ROWS[i].reason;
        row.detail = ROWS[i].detail;
        assert_string_equal(gap_row_origin(&row), ROWS[i].origin);
        assert_false(gap_row_is_removed(&row));
        /* The origin is kept, and the remark too, whichever row of the key is read last. */
        char *removed = gap_detail_removed(row.detail);
        assert_true(strcmp(removed, row.detail) > 0);
        row.detail = removed;
        assert_string_equal(gap_row_origin(&row), ROWS[i].origin);
        assert_true(gap_row_is_removed(&row));
        td_free(removed);
    }
}

/* Rows with equal keys merge to the same row in any order. */
static void test_rows_of_one_key_merge_in_any_order(void **state)
{
    (void)state;
    gap_row rows[3] = {make_row("a", 10, GAP_OPEN, "killed"), make_row("a", 10, 30, ""),
                       make_row("a", 10, 20, "abort")};
    rows[1].frames_lost = 7;
    rows[2].frames_lost = 5;
    rows[2].detail = "more";
    static const unsigned ORDERS[][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2},
                                         {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
    for (size_t i = 0; i < sizeof ORDERS / sizeof ORDERS[0]; i++) {
        gap_list list = {0};
        for (size_t k = 0; k < 3; k++)
            gap_list_add(&list, &rows[ORDERS[i][k]]);
        assert_int_equal(list.count, 1);
        assert_int_equal(list.rows[0].to_ns, 30);
        assert_int_equal(list.rows[0].frames_lost, 7);
        assert_string_equal(list.rows[0].cause, "killed");
        assert_string_equal(list.rows[0].detail, "more");
        gap_list_fini(&list);
    }
}

static void test_rows_are_listed_by_key(void **state)
{
    (void)state;
    gap_list list = {0};
    gap_row rows[] = {make_row("b", 1, 2, ""), make_row("a", 9, 10, ""), make_row("a", 3, 4, ""),
                      make_row("a", 3, 4, ""), make_row("a", 3, 4, ""),  make_row("a", 3, 4, "")};
    rows[3].shard = 1;
    rows[4].topic = "trade";
    rows[5].reason = GAP_STALE;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        gap_list_add(&list, &rows[i]);
    assert_int_equal(list.count, sizeof rows / sizeof rows[0]);
    for (size_t i = 1; i < list.count; i++)
        assert_true(gap_row_compare(&list.rows[i - 1], &list.rows[i]) < 0);
    assert_string_equal(list.rows[0].feed, "a");
    assert_int_equal(list.rows[0].from_ns, 3);
    assert_string_equal(list.rows[list.count - 1].feed, "b");
    /* Joining two lists keeps a common row once, in either order. */
    gap_list other = {0};
    gap_row more = make_row("c", 5, 6, "");
    gap_list_add(&other, &rows[0]);
    gap_list_add(&other, &more);
    gap_list_join(&list, &other);
    assert_int_equal(list.count, sizeof rows / sizeof rows[0] + 1);
    assert_string_equal(list.rows[list.count - 1].feed, "c");
    gap_list_fini(&other);
    gap_list_fini(&list);
    assert_null(list.rows);
}

/* ---- as JSON: docs/design.md ("Gaps") ---- */

static const gap_row CONNECTION_GAP = {.reason = GAP_DISCONNECT,
                                       .feed = "inverse",
                                       .conn = 2,
                                       .topic = "",
                                       .symbol = "",
                                       .from_ns = 100,
                                       .to_ns = 200,
                                       .frames_lost = GAP_FRAMES_UNKNOWN,
                                       .covered_by = "",
                                       .cause = "peer closed",
                                       .detail = ""};

static const gap_row TOPIC_GAP = {.reason = GAP_OVERLOAD,
                                  .feed = "inverse",
                                  .line = 1,
                                  .topic = "trade",
                                  .symbol = "BTCUSD",
                                  .from_ns = 100,
                                  .to_ns = GAP_OPEN,
                                  .frames_lost = 7,
                                  .covered_by = "",
                                  .cause = "",
                                  .detail = ""};

static void expect_json(const gap_row *row, const char *expected)
{
    td_buf text;
    json_writer json;
    td_buf_init(&text, 4096);
    json_write_begin(&json, &text);
    json_write_object_begin(&json);
    gap_json_members(&json, row);
    json_write_object_end(&json);
    assert_int_equal(json_write_end(&json, NULL), TD_OK);
    assert_int_equal(td_buf_append(&text, "", 1, NULL), TD_OK);
    assert_string_equal((const char *)text.data, expected);
    td_buf_fini(&text);
}

static void test_gap_json(void **state)
{
    (void)state;
    expect_json(&CONNECTION_GAP,
                "{\"reason\":\"disconnect\",\"feed\":\"inverse\",\"line\":0,\"shard\":0,\"conn\":2,"
                "\"topic\":null,\"symbol\":null,\"from_ns\":100,\"to_ns\":200,\"frames_lost\":null,"
                "\"covered_by\":null,\"cause\":\"peer closed\",\"detail\":null,"
                "\"origin\":\"unknown\"}");
    expect_json(
        &TOPIC_GAP,
        "{\"reason\":\"overload\",\"feed\":\"inverse\",\"line\":1,\"shard\":0,\"conn\":null,"
        "\"topic\":\"trade\",\"symbol\":\"BTCUSD\",\"from_ns\":100,\"to_ns\":null,"
        "\"frames_lost\":7,\"covered_by\":null,\"cause\":null,\"detail\":null,"
        "\"origin\":\"us\"}");
}

/* ---- the table of members ---- */

static const gap_row FULL_GAP = {.reason = GAP_SEQUENCE,
                                 .feed = "inverse",
                                 .line = 1,
                                 .shard = 2,
                                 .conn = 3,
                                 .topic = "trade",
                                 .symbol = "BTCUSD",
                                 .from_ns = 100,
                                 .to_ns = 200,
                                 .frames_lost = 7,
                                 .covered_by = "spot",
                                 .cause = "a cause",
                                 .detail = "a detail"};

static void expect_equal_rows(const gap_row *got, const gap_row *expected)
{
    for (size_t i = 0; i < GAP_MEMBER_COUNT; i++) {
        const gap_member *member = &GAP_MEMBERS[i];
        if (gap_member_is_text(member))
            assert_string_equal(gap_member_text(got, member), gap_member_text(expected, member));
        else
            assert_int_equal(gap_member_number(got, member), gap_member_number(expected, member));
    }
}

/* Every member has exactly one row in the table of members, and a copied gap has its own texts. */
static void test_copies_have_every_member(void **state)
{
    (void)state;
    size_t text_bytes = 0;
    gap_row copy;
    copy = gap_row_copy(&FULL_GAP);
    expect_equal_rows(&copy, &FULL_GAP);
    for (size_t i = 0; i < GAP_MEMBER_COUNT; i++) {
        const gap_member *member = &GAP_MEMBERS[i];
        assert_true(i == 0 || strcmp(member->key, GAP_MEMBERS[i - 1].key) != 0);
        assert_false(gap_member_is_absent(&FULL_GAP, member));
        text_bytes += member->text_bytes;
        if (member->type == GAP_MEMBER_TEXT)
            assert_ptr_not_equal(gap_member_text(&copy, member),
                                 gap_member_text(&FULL_GAP, member));
        else if (member->type != GAP_MEMBER_REASON)
            gap_member_set_number(&copy, member, 0);
    }
    assert_int_equal(text_bytes, GAP_TEXTS_BYTES);
    assert_int_equal(copy.line + copy.shard + copy.conn, 0);
    assert_int_equal(copy.from_ns + copy.to_ns + copy.frames_lost, 0);
    gap_row_fini(&copy);
    assert_null(copy.feed);
    assert_null(copy.topic);
    assert_null(copy.symbol);
    assert_null(copy.covered_by);
    assert_null(copy.cause);
    assert_null(copy.detail);
}

/* Checks the keys of a gap in the journal (FORMAT.md, "The journal"): in order, without absent
 * ones. */
static td_result check_keys(void *user, const journal_entry *entry, td_err *err)
{
    static const char *const EXPECTED[] = {
        "reason feed line shard conn topic symbol from_ns to_ns frames_lost covered_by cause "
        "detail ",
        "reason feed line shard conn from_ns to_ns cause ",
        "reason feed line shard topic symbol from_ns frames_lost ",
    };
    size_t *row = user;
    td_buf keys;
    if (!td_bytes_is(entry->act, JOURNAL_GAP))
        return TD_OK;
    td_buf_init(&keys, 256);
    for (size_t i = 0; i < entry->field_count; i++) {
        const td_bytes key = entry->fields[i].key;
        assert_int_equal(td_buf_append(&keys, key.data, key.size, err), TD_OK);
        assert_int_equal(td_buf_append(&keys, " ", 1, err), TD_OK);
    }
    assert_true(td_bytes_is(td_buf_view(&keys), EXPECTED[(*row)++]));
    td_buf_fini(&keys);
    return TD_OK;
}

/* A gap read from the journal equals the one written, including absent members. */
static void test_journal_keeps_every_member(void **state)
{
    (void)state;
    const gap_row *const rows[] = {&FULL_GAP, &CONNECTION_GAP, &TOPIC_GAP};
    archive_env env;
    gap_list got;
    journal *entries = NULL;
    journal_state read;
    size_t seen = 0;
    archive_env_init_sim(&env);
    archive *a = archive_env_open(&env, ARCHIVE_APPEND, "record");
    assert_int_equal(journal_open(a, NULL, NULL, NULL, &entries, NULL), TD_OK);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        assert_int_equal(journal_append_gap(entries, rows[i], NULL), TD_OK);
    journal_close(entries);
    assert_int_equal(journal_read(a, check_keys, &seen, &read, NULL), TD_OK);
    assert_int_equal(seen, sizeof rows / sizeof rows[0]);
    assert_int_equal(archive_gaps(a, &got, NULL), TD_OK);
    assert_int_equal(got.count, sizeof rows / sizeof rows[0]);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const gap_row *row = gap_list_find(&got, rows[i]);
        assert_non_null(row);
        expect_equal_rows(row, rows[i]);
    }
    gap_list_fini(&got);
    archive_close(a);
    archive_env_fini(&env);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_origins),
        cmocka_unit_test(test_rows_of_one_key_merge_in_any_order),
        cmocka_unit_test(test_rows_are_listed_by_key),
        cmocka_unit_test(test_gap_json),
        cmocka_unit_test(test_copies_have_every_member),
        cmocka_unit_test(test_journal_keeps_every_member),
    };
    return cmocka_run_group_tests_name("gap", tests, NULL, NULL);
}
