/* Which answers and updates belong to which requests. Each case is a script of frames with times,
 * and the expected rows in order. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/testing/decode_fixture.h"
#include "replay/play/order_join.h"

enum { STEPS_MAX = 12, ROWS_BYTES = 1024 };

typedef enum way { END, ASKED, ANSWERED, UPDATED } way;

typedef struct step {
    way way;
    unsigned conn; /* index in CONNS */
    uint64_t at_ns;
    const char *op; /* "create" and so on */
    const char *id; /* of the request; NULL if absent */
    const char *order;
} step;

/* The first two are of one session; the third has the first one's slot in the next session. */
static const frame_conn CONNS[] = {
    {.session = 1, .shard = 0, .number = 1},
    {.session = 1, .shard = 1, .number = 1},
    {.session = 2, .shard = 0, .number = 1},
};

#define CREATE(link)   "{\"symbol\":\"X\",\"qty\":\"1\",\"price\":\"5\",\"orderLinkId\":\"" link "\"}"
#define PLAIN          "{\"symbol\":\"X\",\"qty\":\"1\",\"price\":\"5\"}"
#define NAMED(id)      "{\"symbol\":\"X\",\"orderId\":\"" id "\"}"
#define BY_LINK(link)  "{\"symbol\":\"X\",\"orderLinkId\":\"" link "\"}"
#define AMEND(id, qty) "{\"symbol\":\"X\",\"orderId\":\"" id "\",\"qty\":\"" qty "\"}"
#define STATE(id, link, status, qty)                                                               \
    "{\"category\":\"linear\",\"symbol\":\"X\",\"orderId\":\"" id "\",\"orderLinkId\":\"" link     \
    "\",\"orderStatus\":\"" status "\",\"qty\":\"" qty "\",\"price\":\"5\"}"

/* Rows are "op request_id order_id status answer_ns-update_ns". */
static const struct {
    const char *name;
    step steps[STEPS_MAX];
    const char *rows;
    uint64_t unasked;
} CASES[] = {
    {"by the client's own id",
     {{ASKED, 0, 10, "create", "a", CREATE("l")},
      {ANSWERED, 0, 12, "create", "a", NAMED("A")},
      {UPDATED, 1, 15, .order = STATE("A", "l", "New", "1")}},
     "create a A New 12-15\n",
     0},
    {"without one: by the id in the answer",
     {{ASKED, 0, 10, "create", "a", PLAIN},
      {UPDATED, 1, 11, .order = STATE("B", "", "New", "1")},
      {ANSWERED, 0, 12, "create", "a", NAMED("A")},
      {UPDATED, 1, 15, .order = STATE("A", "", "New", "1")}},
     "create a A New 12-15\n",
     0},
    {"an update before the answer, by the client's id and without",
     {{ASKED, 0, 10, "create", "a", CREATE("l")},
      {ASKED, 0, 11, "create", "b", PLAIN},
      {UPDATED, 1, 12, .order = STATE("A", "l", "New", "1")},
      {UPDATED, 1, 13, .order = STATE("B", "", "Rejected", "1")},
      {ANSWERED, 0, 14, "create", "b", NAMED("B")},
      {ANSWERED, 0, 15, "create", "a", NAMED("A")}},
     "create b B Rejected 14-13\ncreate a A New 15-12\n",
     0},
    {"an update from before the request is not its own",
     {{UPDATED, 1, 9, .order = STATE("A", "", "New", "1")},
      {ASKED, 0, 10, "create", "a", PLAIN},
      {ANSWERED, 0, 12, "create", "a", NAMED("A")}},
     "create a A - 12-0\n",
     0},
    {"an answer without an update, a request without an answer, a refusal",
     {{ASKED, 0, 10, "create", "a", CREATE("l")},
      {ASKED, 0, 11, "create", "b", CREATE("m")},
      {ASKED, 0, 12, "amend", "c", AMEND("C", "2")},
      {ANSWERED, 0, 13, "create", "a", NAMED("A")},
      {ANSWERED, 0, 14, "amend", "c", NULL}},
     "amend c C - 14-0\ncreate a A - 13-0\ncreate b - - 0-0\n",
     0},
    {"one request id again and again: the oldest unanswered one",
     {{ASKED, 0, 10, "create", "a", CREATE("l")},
      {ASKED, 0, 11, "create", "a", CREATE("m")},
      {ANSWERED, 0, 12, "create", "a", NAMED("A")},
      {ANSWERED, 0, 13, "create", "a", NAMED("B")},
      {UPDATED, 1, 14, .order = STATE("B", "m", "New", "1")},
      {UPDATED, 1, 15, .order = STATE("A", "l", "New", "1")}},
     "create a B New 13-14\ncreate a A New 12-15\n",
     0},
    {"no request ids: by op",
     {{ASKED, 0, 10, "create", NULL, CREATE("l")},
      {ASKED, 0, 11, "cancel", NULL, NAMED("Z")},
      {ANSWERED, 0, 12, "cancel", NULL, NAMED("Z")},
      {ANSWERED, 0, 13, "create", NULL, NAMED("A")},
      {UPDATED, 1, 14, .order = STATE("Z", "", "Cancelled", "1")},
      {UPDATED, 1, 15, .order = STATE("A", "l", "New", "1")}},
     "cancel - Z Cancelled 12-14\ncreate - A New 13-15\n",
     0},
    {"an answer without the request's id is not its answer",
     {{ASKED, 0, 10, "create", "a", CREATE("l")},
      {ANSWERED, 0, 12, "create", NULL, NAMED("A")},
      {ANSWERED, 0, 13, "create", "a", NAMED("B")},
      {UPDATED, 1, 14, .order = STATE("B", "l", "New", "1")}},
     "create a B New 13-14\n",
     1},
    {"further answers to a request, of another op, too; on another connection they are to none",
     {{ASKED, 0, 10, "create", "a", CREATE("l")},
      {ANSWERED, 0, 12, "create", "a", NAMED("A")},
      {ANSWERED, 0, 13, "create", "a", NAMED("A")},
      {ANSWERED, 0, 14, "cancel", "a", NAMED("A")},
      {ANSWERED, 1, 15, "cancel", "a", NAMED("A")},
      {ANSWERED, 0, 16, "create", NULL, NAMED("A")}},
     "create a A - 12-0\n",
     2},
    {"amend and cancel of one order, at once: each by what it asked for",
     {{ASKED, 0, 10, "amend", "a", AMEND("A", "3")},
      {ASKED, 0, 11, "cancel", "b", BY_LINK("l")},
      {ANSWERED, 0, 12, "amend", "a", NAMED("A")},
      {ANSWERED, 0, 13, "cancel", "b", NAMED("A")},
      {UPDATED, 1, 14, .order = STATE("A", "l", "PartiallyFilled", "1")},
      {UPDATED, 1, 15, .order = STATE("A", "l", "New", "3.0")},
      {UPDATED, 1, 16, .order = STATE("A", "l", "PartiallyFilledCanceled", "3")}},
     "amend a A New 12-15\ncancel b A PartiallyFilledCanceled 13-16\n",
     0},
    {"two connections with the same request ids",
     {{ASKED, 0, 10, "create", "1", CREATE("l")},
      {ASKED, 1, 11, "create", "1", CREATE("m")},
      {ANSWERED, 1, 12, "create", "1", NAMED("B")},
      {ANSWERED, 0, 13, "create", "1", NAMED("A")},
      {UPDATED, 1, 14, .order = STATE("A", "l", "New", "1")},
      {UPDATED, 1, 14, .order = STATE("B", "m", "New", "1")}},
     "create 1 A New 13-14\ncreate 1 B New 12-14\n",
     0},
    {"another session answers nothing of the one before, but its updates count",
     {{ASKED, 0, 10, "create", "1", CREATE("l")},
      {ANSWERED, 2, 12, "create", "1", NAMED("B")},
      {ASKED, 2, 13, "create", "1", CREATE("m")},
      {ANSWERED, 2, 14, "create", "1", NAMED("C")},
      {UPDATED, 2, 15, .order = STATE("C", "m", "New", "1")},
      {UPDATED, 2, 16, .order = STATE("A", "l", "Filled", "1")}},
     "create 1 C New 14-15\ncreate 1 A Filled 0-16\n",
     1},
    {"times that stand still: a clock that went back",
     {{ASKED, 0, 10, "create", "a", PLAIN},
      {UPDATED, 1, 10, .order = STATE("A", "", "New", "1")},
      {ANSWERED, 0, 10, "create", "a", NAMED("A")}},
     "create a A New 10-10\n",
     0},
};

/* ---- frames ---- */

/* ,"reqId":"a" or nothing */
static void put_id(const char *id, char out[64])
{
    (void)snprintf(out, 64, id == NULL ? "" : ",\"reqId\":\"%s\"", id); /* fits */
}

static void add_step(order_join *join, decode_fixture *fixture, const step *s)
{
    static frame_channel channel = {.info = {.feed = "f"}};
    char topic[32] = "order";
    char id[64], text[512];
    message decoded;
    decode_error why;
    put_id(s->id, id);
    if (s->way != UPDATED)
        (void)snprintf(topic, sizeof topic, "order.%s", s->op);
    if (s->way == ASKED)
        (void)snprintf(text, sizeof text, "{\"op\":\"%s\"%s,\"args\":[%s]}", topic, id, s->order);
    else if (s->way == ANSWERED)
        (void)snprintf(text, sizeof text, "{\"retCode\":%d,\"op\":\"%s\"%s,\"data\":%s}",
                       s->order == NULL, topic, id, s->order == NULL ? "{}" : s->order);
    else
        (void)snprintf(text, sizeof text,
                       "{\"id\":\"u\",\"topic\":\"order\",\"creationTime\":1,\"data\":[%s]}",
                       s->order);
    const char *spoken = s->way == UPDATED ? "v5-private" : "v5-trade";
    if (!decode_fixture_text(fixture, spoken, topic, text, &decoded, &why))
        fail_msg("not decoded: %s", text);
    const family *of = family_find(td_bytes_str(spoken));
    td_bytes symbol;
    const classification what = {.topic = {.row = family_topic_row(of, topic, &symbol)}};
    channel.role = s->way == ASKED ? ROLE_OUT : ROLE_DATA;
    const frame_ref frame = {.recv_ns = s->at_ns,
                             .channel = &channel,
                             .conn = &CONNS[s->conn],
                             .content = {.message = &decoded, .what = &what},
                             .is_read = 1};
    order_join_frame(join, &frame);
}

static const char *or_dash(const char *text)
{
    return text[0] == '\0' ? "-" : text;
}

static void on_done(void *user, const joined_order *order)
{
    char *rows = user;
    size_t size = strlen(rows);
    assert_string_equal(order->feed, "f");
    (void)snprintf(rows + size, ROWS_BYTES - size, "%s %s %s %s %d-%d\n",
                   order->op + strlen("order."), or_dash(order->request_id),
                   or_dash(order->order_id), or_dash(order->status), (int)order->answer_ns,
                   (int)order->update_ns);
}

static void test_joined(void **state)
{
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        char rows[ROWS_BYTES] = "";
        order_join *join = order_join_open(on_done, rows);
        for (const step *s = CASES[i].steps; s < CASES[i].steps + STEPS_MAX && s->way != END; s++)
            add_step(join, *state, s);
        order_join_finish(join);
        if (strcmp(rows, CASES[i].rows) != 0)
            fail_msg("%s:\n%s", CASES[i].name, rows);
        assert_int_equal(order_join_unasked(join), CASES[i].unasked);
        order_join_close(join);
    }
}

/* Copies and frames that were not decoded are ignored. */
static void test_copies_are_ignored(void **state)
{
    (void)state;
    char rows[ROWS_BYTES] = "";
    message update = {.head = {.type = MSG_ORDER}};
    order_join *join = order_join_open(on_done, rows);
    order_join_frame(join, &(frame_ref){.conn = CONNS});
    order_join_frame(join,
                     &(frame_ref){.conn = CONNS, .content = {.message = &update}, .is_copy = 1});
    order_join_finish(join);
    assert_string_equal(rows, "");
    order_join_close(join);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_joined, decode_fixture_open, decode_fixture_close),
        cmocka_unit_test(test_copies_are_ignored),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
