#include "verbs/cmds.h"

#include <string.h>

#include "base/alloc.h"
#include "archive/archive_view.h"
#include "archive/ledger.h"
#include "archive/open_conns.h"
#include "replay/play/stream.h"
#include "verbs/verb_run.h"
#include "tape/empty_selection.h"

enum {
    ROWS_MAX = 1 << 16, /* per book; beyond that the oldest are dropped */
    ROWS_PRINTED = 20,  /* in text */
};

typedef struct why_flags {
    options_time at;
    int side; /* msg_side; -1: not given */
    const char *price;
    const char *order; /* an order's id instead of side and price, or NULL */
} why_flags;

static const char *const SIDES[] = {"bid", "ask", NULL}; /* indexed by msg_side */

static const option_row WHY_ROWS[] = {
    {.long_name = "at",
     OPTION_INTO(why_flags, at),
     .metavar = "TIME",
     .help = "time of the book: after the last frame received until then",
     .is_relative = 1},
    {.long_name = "side",
     OPTION_INTO(why_flags, side),
     .metavar = "SIDE",
     .help = "side of the level",
     .choices = SIDES},
    {.long_name = "price",
     OPTION_INTO(why_flags, price),
     .metavar = "N",
     .help = "price of the level"},
    {.long_name = "order",
     OPTION_INTO(why_flags, order),
     .metavar = "ID",
     .help = "an order instead of a level, in books that have single orders"},
};

/* A change of the level or the order, or a trade at its price. */
typedef struct why_row {
    uint64_t recv_ns, ordinal;
    uint32_t line, shard, conn;
    const char *what;
    const char *taker; /* of a trade; otherwise NULL */
    td_decimal size;
    uint8_t has_size; /* 0: the level was deleted, or is not in the snapshot */
    uint8_t has_seq;
    int64_t seq;
    /* of an order that is in the book after the frame; place 0: it is not */
    td_decimal price;
    td_decimal ahead; /* size of the orders before it at its price */
    uint64_t place;   /* 1: the first that is filled */
} why_row;

/* The rows of a book since its last snapshot. */
typedef struct why_book {
    char *feed, *topic, *symbol;
    const struct stream *of; /* while frames are read */
    uint8_t is_broken;
    uint8_t has_order; /* with --order: the book had it after the last frame */
    msg_side side;     /* its side */
    td_decimal price;  /* its last price */
    why_row *rows;     /* the snapshot first, then in order */
    size_t count;
    uint64_t dropped;
} why_book;

typedef struct why_command {
    why_flags flags;
    td_decimal price;
    const char *symbol; /* a glob for the selection */
    why_book *books;
    size_t count;
    uint8_t has_others; /* with --order: there are books without orders */
} why_command;

/* ---- reading ---- */

static why_book *find_book(why_command *command, const struct stream *of)
{
    for (size_t i = 0; i < command->count; i++)
        if (command->books[i].of == of)
            return &command->books[i];
    command->books = td_array_grow(command->books, command->count, sizeof *command->books);
    command->books[command->count] = (why_book){.feed = td_strdup(of->feed),
                                                .topic = td_strdup(of->topic),
                                                .symbol = td_strdup(of->symbol),
                                                .of = of};
    return &command->books[command->count++];
}

/* Add a row. The snapshot's row is never dropped, because the history begins with it. */
static void add_row(why_book *b, const why_row *row)
{
    if (b->count == ROWS_MAX) {
        memmove(b->rows + 1, b->rows + ROWS_MAX / 2, sizeof *b->rows * (ROWS_MAX / 2));
        b->count = ROWS_MAX / 2 + 1;
        b->dropped += ROWS_MAX / 2 - 1;
    }
    b->rows = td_array_grow(b->rows, b->count, sizeof *b->rows);
    b->rows[b->count++] = *row;
}

/* The last row that is not a trade, or NULL. */
static const why_row *last_change(const why_book *b)
{
    for (size_t i = b->count; i > 0; i--)
        if (b->rows[i - 1].taker == NULL)
            return &b->rows[i - 1];
    return NULL;
}

/* Set the place that an order has in a book; *row stays as it is if the book lacks it. */
static void find_order(why_book *b, const book *after, td_bytes id, why_row *row)
{
    const order_set *orders = book_orders(after);
    order_place at;
    order_level level;
    book_order order;
    b->has_order = (uint8_t)(order_set_find(orders, id, &at) &&
                             order_set_at(orders, at.side, at.index, &order));
    if (!b->has_order)
        return;
    b->side = at.side;
    b->price = row->price = order.price;
    row->size = order.size;
    row->has_size = 1;
    order_set_level(orders, at.side, order.price, &level);
    row->place = at.index - level.first + 1;
    row->ahead = (td_decimal){0, 0};
    for (size_t i = level.first; i < at.index; i++)
        if (order_set_at(orders, at.side, i, &order))
            (void)msg_size_with_rpi(row->ahead, order.size, &row->ahead); /* a part of the level */
}

/* What a frame does to an order: the word of its last entry about it, or NULL. */
static const char *event_of(const message *m, td_bytes id)
{
    const char *what = NULL;
    for (size_t i = 0; i < m->record.item_count; i++) {
        const msg_item *item = &m->record.items[i];
        const msg_value *is = msg_value_find(item->values, item->value_count, MEMBER_ORDER_ID);
        if (is != NULL && is->type == VALUE_TEXT && td_bytes_equal(is->as.text, id))
            what = msg_action_name(item->action);
    }
    return what;
}

/* Add a row if a frame of orders changed the order, or the level's size. */
static void add_orders(const why_command *command, why_book *b, const message *m, const book *after,
                       const why_row *from, int is_snapshot)
{
    const td_bytes id = td_bytes_str(command->flags.order == NULL ? "" : command->flags.order);
    const why_row *last = last_change(b);
    const int had = last != NULL && last->has_size;
    why_row row = *from;
    if (command->flags.order != NULL) {
        const int had_order = b->has_order;
        row.what = event_of(m, id);
        find_order(b, after, id, &row);
        if (row.what == NULL && had_order && !b->has_order)
            row.what = "out_of_depth"; /* its level is beyond the topic's depth */
    } else {
        row.size = book_size_at(after, (msg_side)command->flags.side, command->price);
        row.has_size = row.size.mantissa != 0;
        if (row.has_size != had || (had && td_decimal_compare(row.size, last->size) != 0))
            row.what = row.has_size ? "set" : "delete";
    }
    if (is_snapshot)
        row.what = "snapshot";
    if (row.what != NULL)
        add_row(b, &row);
}

static void add_changes(why_command *command, why_book *b, const message *m, const book *after,
                        const why_row *from, int is_snapshot)
{
    why_row row = *from;
    if (is_snapshot) {
        b->count = 0;
        b->dropped = 0;
    }
    if (book_orders(after) != NULL) {
        add_orders(command, b, m, after, from, is_snapshot);
        return;
    }
    if (is_snapshot) {
        row.what = "snapshot";
        add_row(b, &row);
    }
    for (size_t i = 0; i < m->book.level_count; i++) {
        const msg_level *level = &m->book.levels[i];
        if (level->side != command->flags.side ||
            td_decimal_compare((td_decimal){level->price, level->price_scale}, command->price) != 0)
            continue;
        row.has_size = level->action != ACTION_DELETE;
        row.size = (td_decimal){level->size, level->size_scale};
        if (is_snapshot) {
            b->rows[0] = row;
        } else {
            row.what = msg_action_name((msg_action)level->action);
            add_row(b, &row);
        }
    }
}

/* 1 if a trade is at the price of the level, or of the order while the book has it. */
static int is_at(const why_command *command, const why_book *b, td_decimal price)
{
    return command->flags.order == NULL ? td_decimal_compare(price, command->price) == 0
                                        : b->has_order && td_decimal_compare(price, b->price) == 0;
}

static void add_trades(why_command *command, const struct stream *of, const message *m,
                       const why_row *from)
{
    for (size_t i = 0; i < m->trades.trade_count; i++) {
        const msg_trade *trade = &m->trades.trades[i];
        why_row row = *from;
        row.what = "trade";
        row.taker = msg_side_name((msg_side)trade->side);
        row.size = trade->size;
        row.has_size = 1;
        for (size_t k = 0; k < command->count; k++) {
            why_book *b = &command->books[k];
            if (strcmp(b->feed, of->feed) == 0 && strcmp(b->symbol, of->symbol) == 0 &&
                is_at(command, b, trade->price))
                add_row(b, &row);
        }
    }
}

static td_result observe(void *ctx, const struct stream *of, void **state,
                         const applied_frame *seen, td_err *err)
{
    const frame_ref *frame = seen->frame;
    const message *m = frame->content.message;
    (void)state;
    (void)err;
    if (frame->is_copy || seen->found == NULL)
        return TD_OK;
    const frame_conn *conn = frame_own_conn(frame);
    why_row row = {.recv_ns = frame->recv_ns,
                   .ordinal = frame->ordinal,
                   .line = conn->line,
                   .shard = conn->shard,
                   .conn = conn->number};
    if (m != NULL)
        row.has_seq = (uint8_t)msg_head_number(&m->head, &row.seq);
    const book *after = track_book(seen->found->track);
    why_command *command = ctx;
    if (after != NULL && command->flags.order != NULL && book_orders(after) == NULL) {
        command->has_others = 1;
        return TD_OK;
    }
    if (after != NULL) {
        why_book *b = find_book(ctx, of);
        b->is_broken = !seen->trust->is_trusted;
        if (m != NULL)
            add_changes(ctx, b, m, after, &row, seen->found->rules.is_snapshot);
    } else if (m != NULL && m->head.type == MSG_TRADE) {
        add_trades(ctx, of, m, &row);
    }
    return TD_OK;
}

/* ---- the result ---- */

static void describe_size(result_writer *r, const why_row *row)
{
    if (row != NULL && row->has_size)
        result_decimal(r, "size", row->size);
    else
        result_null(r, "size");
}

static void describe_row(result_writer *r, const char *name, const why_row *row)
{
    result_object_begin(r, name);
    result_instant(r, "recv_ns", row->recv_ns);
    result_text(r, "what", row->what);
    result_text(r, "taker", row->taker);
    describe_size(r, row);
    result_number(r, "line", row->line);
    result_number(r, "shard", row->shard);
    result_number(r, "conn", row->conn);
    result_filled(r, "numbers",
                  row->line == 0 && row->shard == 0 ? "{conn}" : "{line}/{shard}/{conn}");
    result_number(r, "ordinal", row->ordinal);
    if (row->has_seq)
        result_signed(r, "seq", row->seq);
    else
        result_null(r, "seq");
    if (row->place > 0) {
        result_number(r, "place", row->place);
        result_decimal(r, "ahead", row->ahead);
        result_decimal(r, "price", row->price);
    } else {
        result_null(r, "place");
        result_null(r, "ahead");
        result_null(r, "price");
    }
    result_object_end(r, name == NULL ? NULL
                                      : "{what} by frame {ordinal} of [{line?}line {line}, ]"
                                        "[{shard?}shard {shard}, ]connection {conn}, received "
                                        "{recv_ns}");
}

static void describe_book(result_writer *r, const why_command *command, const why_book *b)
{
    static const table_column COLUMNS[] = {
        {"received", TABLE_LEFT, "{recv_ns}"}, {"what", TABLE_LEFT, "{what}[, {taker}]"},
        {"size", TABLE_RIGHT, "{size|-}"},     {"conn", TABLE_RIGHT, "{numbers}"},
        {"frame", TABLE_RIGHT, "{ordinal}"},   {"number", TABLE_SPARE_RIGHT, "{seq|-}"}};
    static const table_column OF_ORDER[] = {
        {"received", TABLE_LEFT, "{recv_ns}"}, {"what", TABLE_LEFT, "{what}[, {taker}]"},
        {"size", TABLE_RIGHT, "{size|-}"},     {"price", TABLE_RIGHT, "{price|-}"},
        {"place", TABLE_RIGHT, "{place|-}"},   {"ahead", TABLE_RIGHT, "{ahead|-}"},
        {"conn", TABLE_RIGHT, "{numbers}"},    {"frame", TABLE_RIGHT, "{ordinal}"}};
    const char *order = command->flags.order;
    const why_row *by = last_change(b);

    size_t first = result_json(r) != NULL || b->count <= ROWS_PRINTED ? 1 : b->count - ROWS_PRINTED;
    result_object_begin(r, NULL);
    result_text(r, "feed", b->feed);
    result_text(r, "topic", b->topic);
    result_text(r, "symbol", b->symbol);
    describe_size(r, by);
    if (by != NULL)
        describe_row(r, "by", by);
    else
        result_null(r, "by");
    result_bool(r, "broken", b->is_broken);
    result_count(r, "omitted", b->dropped + first - 1);
    result_note(r, "what", "%s%s", order != NULL ? "order " : SIDES[command->flags.side],
                order != NULL ? order : "");
    result_note(r, "at", "%s", order != NULL ? "" : command->flags.price);
    result_note(r, "of", "%s", order != NULL && by != NULL && by->has_size ? SIDES[b->side] : "");
    if (order != NULL)
        result_table_begin(r, "chain", OF_ORDER, sizeof OF_ORDER / sizeof *OF_ORDER);
    else
        result_table_begin(r, "chain", COLUMNS, sizeof COLUMNS / sizeof *COLUMNS);
    if (b->count > 0)
        describe_row(r, NULL, &b->rows[0]);
    for (size_t i = first; i < b->count; i++)
        describe_row(r, NULL, &b->rows[i]);
    result_list_end(r);
    result_object_end(r,
                      "{feed} {topic} {symbol}: {what}[ {at}][, {of},] [has size "
                      "{size}][{size!}is not in the book][: {by}][{broken?}; the book is broken]\n"
                      "[{omitted row} after the snapshot left out; --json has them\n]{chain}");
}

static int describe(verb_run *verb)
{
    const why_command *command = verb->state;
    result_writer *r = &verb->result;
    int is_there = 0;
    result_object_begin(r, NULL);
    result_list_begin(r, "books");
    for (size_t i = 0; i < command->count; i++) {
        const why_row *by = last_change(&command->books[i]);
        is_there |= by != NULL && by->has_size;
        describe_book(r, command, &command->books[i]);
    }
    result_list_end(r);
    result_object_end(r, "{books}");
    return is_there;
}

/* ---- the run ---- */

static int wants_feed(void *user, const char *feed)
{
    return selection_has_feed(user, feed);
}

/* Begin at the start of the oldest connection that was open at the time of --at, because the
 * exchange sends a snapshot at the start of each connection. If no connection was open, or if this
 * is unknown, begin at the start of the archive. */
static td_result find_window(verb_run *verb, selection *wanted)
{
    selection_window window;
    archive_view *view = NULL;
    open_conns open;
    td_result rc = verb_run_window(verb, wanted, &window);
    if (rc == TD_OK)
        rc = archive_view_open(verb->archive, VIEW_ALL, &verb->log, &view, &verb->err);
    if (rc != TD_OK)
        return rc;
    window.to_ns++; /* include a frame of that time */
    rc = open_conns_read(view, wants_feed, wanted, window.to_ns, &open, &verb->err);
    uint64_t from_ns = open_conns_oldest_ns(&open);
    window.from_ns = open.is_unknown || from_ns >= window.to_ns ? 0 : from_ns;
    selection_set_window(wanted, window);
    open_conns_fini(&open);
    archive_view_close(view);
    return rc;
}

static td_result run(verb_run *verb)
{
    static const observer_ops OPS = {.name = "why", .frame = observe, .is_ordered = 1};
    const why_command *command = verb->state;
    selection wanted = {.symbols = {&command->symbol, 1}, .to = command->flags.at.at, .has_to = 1};
    cursor_stats stats;
    gap_list ledger = {0};
    const observe_options how = verb_run_observing(verb);
    td_result rc = find_window(verb, &wanted);
    if (rc == TD_OK)
        rc = archive_gaps(verb->archive, &ledger, &verb->err);
    if (rc == TD_OK)
        rc = observe_tape(&how, &wanted, (cursor_options){.states = TAPE_STATES_NONE},
                          (observer){&OPS, verb->state, &ledger}, &stats, NULL, &verb->err);
    progress_end(&verb->progress);
    gap_list_fini(&ledger);
    if (rc != TD_OK)
        return rc;
    if (command->count == 0 && command->has_others)
        return td_err_set(&verb->err, TD_E_UNSUPPORTED,
                          "no book of '%s' has single orders: 'tapedeck topics' lists topics of "
                          "the type book_orders",
                          command->symbol);
    if (command->count == 0 && !cursor_is_damaged(&stats))
        return selection_why_empty(verb->archive, &wanted, &stats, &verb->err);
    int is_there = describe(verb);
    verb->status = cursor_is_damaged(&stats) ? EXIT_CODE_DAMAGE
                   : is_there                ? EXIT_CODE_DONE
                                             : EXIT_CODE_DIFFERS;
    return TD_OK;
}

static td_result check(verb_run *verb)
{
    why_command *command = verb->state;
    const why_flags *flags = &command->flags;
    command->symbol = verb->operands.items[0];
    const int has_level = flags->side >= 0 && flags->price != NULL;
    const int has_part = flags->side >= 0 || flags->price != NULL;
    if (!flags->at.is_given || (flags->order != NULL ? has_part : !has_level))
        return td_err_set(&verb->err, TD_E_INVALID,
                          "give --at, --side and --price, or --at and --order");
    if (flags->order != NULL)
        return TD_OK;
    td_result rc = td_decimal_parse(td_bytes_str(flags->price), &command->price, &verb->err);
    return rc == TD_OK ? rc : td_err_add(&verb->err, rc, "--price");
}

exit_code cmd_why(const verb_context *context, int argc, char **argv)
{
    why_command command = {.flags.side = -1};
    const verb_spec spec = {
        .name = "why",
        .summary =
            "Show what put a level, or an order, into a book: the frame that gave it its size,\n"
            "the changes since the last snapshot, and the trades at its price between them.",
        .operands = "[ARCHIVE] SYMBOL",
        .operand_min = 1,
        .operand_max = 1,
        .statuses = {[EXIT_CODE_DONE] = "a book has the level, or the order",
                     [EXIT_CODE_DIFFERS] = "no book has it",
                     [EXIT_CODE_DAMAGE] = "stored frames are damaged"},
        .examples = "tapedeck why DIR BTCUSDT --at 2026-11-22T03:12:05 --side bid --price 60000",
        .takes = VERB_TAKES_FAMILIES | VERB_READS_ONCE | VERB_TAKES_THREADS | VERB_TAKES_JSON |
                 VERB_STOPS,
        .own = {{"Level or order", WHY_ROWS, sizeof WHY_ROWS / sizeof *WHY_ROWS, &command.flags}},
        .mode = ARCHIVE_READ,
        .check = check,
        .work = run};
    exit_code status = verb_run_main(&spec, &command, context, argc, argv);
    for (size_t i = 0; i < command.count; i++) {
        td_free(command.books[i].feed);
        td_free(command.books[i].topic);
        td_free(command.books[i].symbol);
        td_free(command.books[i].rows);
    }
    td_free(command.books);
    return status;
}
