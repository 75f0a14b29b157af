/* tapedeck latency: the time from a request about an order to its answer and the order's update. */
#include <string.h>

#include "replay/play/lateness.h"
#include "replay/play/order_join.h"
#include "verbs/verb_run.h"
#include "verbs/cmds.h"
#include "base/alloc.h"
#include "schema/family.h"
#include "tape/empty_selection.h"

typedef enum span_kind { SPAN_ANSWER, SPAN_UPDATE, SPAN_WHOLE, SPAN_KINDS } span_kind;

static const struct {
    const char *from, *to;
} SPANS[SPAN_KINDS] = {[SPAN_ANSWER] = {"request", "answer"},
                       [SPAN_UPDATE] = {"answer", "update"},
                       [SPAN_WHOLE] = {"request", "update"}};

/* Durations of one op. */
typedef struct op_spans {
    char op[ORDER_JOIN_TEXT_BYTES];
    lateness spans[SPAN_KINDS];
} op_spans;

typedef struct latency_run {
    verb_run *verb;
    op_spans *ops;
    size_t op_count;
    uint64_t requests, refused, unanswered, without_update;
} latency_run;

/* ---- counting ---- */

static op_spans *spans_of(latency_run *run, const char *op)
{
    size_t at = 0;
    while (at < run->op_count && strcmp(run->ops[at].op, op) != 0)
        at++;
    if (at < run->op_count)
        return &run->ops[at];
    run->ops = td_array_grow(run->ops, at, sizeof *run->ops);
    run->ops[at] = (op_spans){0};
    memcpy(run->ops[at].op, op, sizeof run->ops[at].op);
    run->op_count++;
    return &run->ops[at];
}

static void describe_order(result_writer *r, const joined_order *order)
{
    result_object_begin(r, NULL);
    result_text(r, "feed", order->feed);
    result_text(r, "op", order->op);
    result_name(r, "symbol", order->symbol);
    result_name(r, "request_id", order->request_id);
    result_name(r, "order_link_id", order->link);
    result_name(r, "order_id", order->order_id);
    if (order->has_code)
        result_signed(r, "code", order->code);
    else
        result_null(r, "code");
    if (order->answer_ns == 0)
        result_null(r, "refused");
    else
        result_bool(r, "refused", order->is_refused);
    result_name(r, "order_status", order->status);
    result_time(r, "sent_ns", order->sent_ns);
    result_time_or_null(r, "answer_ns", order->answer_ns);
    result_time_or_null(r, "update_ns", order->update_ns);
    result_time_or_null(r, "exchange_ns", order->exchange_ns);
    result_object_end(r, NULL);
}

static void on_order(void *user, const joined_order *order)
{
    latency_run *run = user;
    op_spans *of = spans_of(run, order->op);
    int is_accepted = order->answer_ns != 0 && !order->is_refused;
    run->requests++;
    run->refused += order->is_refused;
    run->unanswered += order->answer_ns == 0;
    run->without_update += is_accepted && order->update_ns == 0 && order->does != ORDER_UNSTATED;
    if (order->answer_ns != 0)
        lateness_add(&of->spans[SPAN_ANSWER], order->answer_ns - order->sent_ns);
    if (order->update_ns != 0)
        lateness_add(&of->spans[SPAN_WHOLE], order->update_ns - order->sent_ns);
    if (is_accepted && order->update_ns > order->answer_ns)
        lateness_add(&of->spans[SPAN_UPDATE], order->update_ns - order->answer_ns);
    if (run->verb->json.is_json)
        describe_order(&run->verb->result, order);
}

/* ---- reading ---- */

/* 1 for channels of requests about orders, of their answers, and of updates of orders. */
static int wants_channel(void *user, const channel_info *info)
{
    (void)user;
    const family *of = family_find(td_bytes_str(info->family));
    td_bytes symbol;
    const topic_row *row =
        of == NULL ? NULL : family_topic_row(of, channel_exchange_topic(info), &symbol);
    return row != NULL && (row->type == MSG_ORDER_ENTRY || row->type == MSG_ORDER);
}

static td_result read_orders(verb_run *verb, order_join *join, cursor_stats *stats)
{
    const cursor_options how = {.threads = threads_options_count(&verb->threads),
                                .log = &verb->log,
                                .reads = TAPE_READS_ALL,
                                .wants_channel = wants_channel};
    uint64_t frames = 0;
    cursor *from = NULL;
    td_result rc = selection_check_each_name(verb->archive, &verb->wanted, &verb->err);
    if (rc == TD_OK)
        rc = cursor_open(verb->archive, &verb->wanted, &how, &from, &verb->err);
    while (rc == TD_OK) {
        const frame_ref *frame;
        rc = cursor_next(from, &frame, &verb->err);
        if (rc != TD_OK)
            break;
        order_join_frame(join, frame);
        (void)verb_run_progress(verb, ++frames, frame->recv_ns);
    }
    if (rc == TD_EOF)
        rc = frames > 0 ? TD_OK : selection_check_names(verb->archive, &verb->wanted, &verb->err);
    if (from != NULL)
        cursor_get_stats(from, stats);
    order_join_finish(join); /* before cursor_close: the cursor owns the feeds' names */
    cursor_close(from);
    return rc;
}

/* ---- the result ---- */

static void describe_duration(result_writer *r, const char *in_json, const char *name, uint64_t ns)
{
    result_number(r, in_json, ns);
    result_duration(r, name, ns);
}

static void describe_spans(result_writer *r, const latency_run *run)
{
    static const table_column COLUMNS[] = {
        {"op", TABLE_LEFT, "{op}"},    {"from", TABLE_LEFT, "{from}"},
        {"to", TABLE_LEFT, "{to}"},    {"orders", TABLE_RIGHT, "{count}"},
        {"p50", TABLE_RIGHT, "{p50}"}, {"p90", TABLE_RIGHT, "{p90}"},
        {"p99", TABLE_RIGHT, "{p99}"}, {"max", TABLE_RIGHT, "{max}"},
    };
    result_table_begin(r, "spans", COLUMNS, sizeof COLUMNS / sizeof COLUMNS[0]);
    for (size_t i = 0; i < run->op_count * SPAN_KINDS; i++) {
        const op_spans *of = &run->ops[i / SPAN_KINDS];
        const lateness *span = &of->spans[i % SPAN_KINDS];
        if (span->count == 0)
            continue;
        result_object_begin(r, NULL);
        result_text(r, "op", of->op);
        result_text(r, "from", SPANS[i % SPAN_KINDS].from);
        result_text(r, "to", SPANS[i % SPAN_KINDS].to);
        result_count(r, "count", span->count);
        describe_duration(r, "p50_ns", "p50", lateness_quantile_ns(span, 500));
        describe_duration(r, "p90_ns", "p90", lateness_quantile_ns(span, 900));
        describe_duration(r, "p99_ns", "p99", lateness_quantile_ns(span, 990));
        describe_duration(r, "max_ns", "max", span->ns_max);
        result_object_end(r, NULL);
    }
    result_list_end(r);
}

static td_result run_latency(verb_run *verb)
{
    result_writer *r = &verb->result;
    latency_run *run = td_alloc_zero(1, sizeof *run);
    cursor_stats stats = {0};
    run->verb = verb;
    order_join *join = order_join_open(on_order, run);
    result_object_begin(r, NULL);
    result_list_begin(r, "orders");
    td_result rc = read_orders(verb, join, &stats);
    result_list_end(r);
    if (rc == TD_OK) {
        describe_spans(r, run);
        result_count(r, "requests", run->requests);
        result_count(r, "refused", run->refused);
        result_count(r, "unanswered", run->unanswered);
        result_count(r, "without_update", run->without_update);
        result_count(r, "unasked", order_join_unasked(join));
    }
    result_object_end(r, rc != TD_OK ? ""
                                     : "{spans}[{spans?}\n][{requests!}no requests about orders]"
                                       "[{requests request}[, {refused} refused]"
                                       "[, {unanswered} without an answer]"
                                       "[, {without_update} without an update]]"
                                       "[; {unasked answer} to no request]\n");
    if (cursor_is_damaged(&stats))
        verb->status = EXIT_CODE_DAMAGE;
    order_join_close(join);
    td_free(run->ops);
    td_free(run);
    return rc;
}

exit_code cmd_latency(const verb_context *context, int argc, char **argv)
{
    const verb_spec spec = {
        .name = "latency",
        .summary = "Report how long requests about orders took: from the request to its answer, "
                   "and to the order's update on a private topic.",
        .statuses = {[EXIT_CODE_DONE] = "the selection was read",
                     [EXIT_CODE_DAMAGE] = "a part of the selection cannot be read or is missing"},
        .examples = "tapedeck latency archive --symbol BTCUSDT --from now-1h\n"
                    "tapedeck latency archive --json",
        .takes = VERB_TAKES_FAMILIES | VERB_TAKES_SELECTION | VERB_TAKES_THREADS | VERB_TAKES_JSON,
        .mode = ARCHIVE_READ,
        .work = run_latency};
    return verb_run_main(&spec, NULL, context, argc, argv);
}
