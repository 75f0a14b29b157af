#include "sim/venue.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/clock.h"
#include "base/hash.h"
#include "sim/venue_impl.h"

/* Events between two frames at most. With the usual topics there is a frame for every second or
 * third event; a client that has only candles does not make the markets run faster. */
enum { EVENTS_MAX = 16 };

/* ---- what is due ---- */

/* Is it a stream's turn after this event? */
static int is_due(venue *v, stream *of, const sim_symbol *s, uint64_t ts_ns)
{
    switch (of->row->kind) {
    case STREAM_TRADE:
    case STREAM_TRADE_EACH:
        return s->trade_count > 0;
    case STREAM_LIQUIDATION:
        return s->is_liquidation;
    case STREAM_CANDLE:
        /* A candle that has ended is told of at once. */
        if (of->candle.end_ns <= ts_ns)
            return 1;
        break;
    case STREAM_BOOK:
    case STREAM_TICKER:
    case STREAM_NOTICE:
        break;
    case STREAM_ORDER: /* told by the account, not by the market's events */
    case STREAM_STOP_ORDER:
    case STREAM_EXECUTION:
    case STREAM_POSITION:
    case STREAM_WALLET:
    case STREAM_SILENT:
        return 0;
    }
    if (of->row->events_max > 0) {
        TD_ASSERT(of->countdown > 0);
        if (--of->countdown > 0)
            return 0;
        of->countdown = 1 + (uint32_t)td_random_below(&v->random, of->row->events_max);
        return 1;
    }
    if (ts_ns < of->due_ns)
        return 0;
    of->due_ns = ts_ns + of->row->every_ms * TD_NS_PER_MS;
    return 1;
}

/* One event in one market, and what is to be shown because of it. */
static void step(venue *v, uint64_t ts_ns)
{
    uint64_t first = td_random_below(&v->random, v->options.symbol_count);
    uint64_t second = td_random_below(&v->random, v->options.symbol_count);
    venue_member *member = &v->members[first < second ? first : second]; /* the first trade most */
    sim_symbol *s = &member->symbol;
    uint32_t index = (uint32_t)(member - v->members);
    int is_his = v->account != NULL && index < ACCOUNT_SYMBOLS;
    flow_event done = FLOW_LIMIT;
    symbol_begin_event(s, ts_ns);
    if (!is_his || !account_act(v->account, index, s))
        done = flow_step(&s->flow, s->market);
    symbol_end_event(s, &v->random, &v->next_number, done == FLOW_LIQUIDATE);
    symbol_update_ticker(s, ts_ns);
    if (is_his)
        account_see(v->account, index, s);
    if (is_his && !v->is_account_wanted)
        account_forget_events(v->account);
    v->present = member;
    v->next_trade = 0;
    v->to_show = 0;
    for (uint32_t i = 0; i < member->stream_count; i++)
        /* The order of draws is the same whatever is wanted. */
        if (is_due(v, &v->streams[member->streams[i]], s, ts_ns) &&
            v->streams[member->streams[i]].is_wanted)
            v->to_show |= (uint64_t)1 << i;
}

static void fill_frame(const venue *v, const stream *of, const text_out *text, venue_frame *out)
{
    *out = (venue_frame){.stream = (uint32_t)(of - v->streams),
                         .symbol = v->present != NULL ? (uint32_t)(v->present - v->members) : 0,
                         .seq = of->seq,
                         .u = of->u,
                         .ts_ns = of->ts_ns,
                         .bytes = td_bytes_of(text->data, text->size)};
}

void venue_want(venue *v, uint32_t index)
{
    TD_ASSERT(index < v->stream_count);
    stream *of = &v->streams[index];
    if (of->is_wanted)
        return;
    of->is_wanted = 1;
    v->is_account_wanted |= of->is_private;
    venue_set_shown(v, of, v->members[of->first].symbol.event_ns);
}

/* Has the account something to say that was not taken yet? */
static int is_account_behind(const venue *v)
{
    return v->account != NULL && (v->telling != NULL || account_has_events(v->account));
}

int venue_next(venue *v, uint64_t ts_ns, venue_frame *out)
{
    text_out text = {.data = v->bytes, .capacity = sizeof v->bytes};
    for (unsigned events = 0; events < EVENTS_MAX;) {
        if (v->to_show == 0 && is_account_behind(v))
            return 0; /* first what it has to say of the event before */
        if (v->to_show == 0) {
            step(v, ts_ns);
            events++;
            continue;
        }
        TD_ASSERT(v->present != NULL);
        unsigned place = (unsigned)__builtin_ctzll(v->to_show);
        stream *of = &v->streams[v->present->streams[place]];
        show_result shown = venue_show(v, of, ts_ns, &text);
        if (shown != SHOW_AGAIN)
            v->to_show &= v->to_show - 1;
        if (shown == SHOW_NOTHING)
            continue; /* nothing of it changed: the next event may */
        fill_frame(v, of, &text, out);
        return 1;
    }
    return 0;
}

int venue_next_private(venue *v, uint64_t ts_ns, venue_frame *out)
{
    text_out text = {.data = v->bytes, .capacity = sizeof v->bytes};
    while (is_account_behind(v)) {
        if (v->telling == NULL)
            v->telling = account_next_event(v->account);
        while (v->next_told < v->stream_count) {
            stream *of = &v->streams[v->next_told++];
            if (!of->is_private || !of->is_wanted || !venue_show_account(v, of, ts_ns, &text))
                continue;
            fill_frame(v, of, &text, out);
            out->symbol = v->telling->symbol;
            return 1;
        }
        v->telling = NULL;
        v->next_told = v->first_private;
    }
    return 0;
}

int venue_snapshot(venue *v, uint32_t index, venue_frame *out)
{
    TD_ASSERT(index < v->stream_count);
    const stream *of = &v->streams[index];
    text_out text = {.data = v->bytes, .capacity = sizeof v->bytes};
    if ((of->row->flags & STREAM_NO_INITIAL) != 0 || !venue_show_state(v, of, &text))
        return 0;
    fill_frame(v, of, &text, out);
    return 1;
}

/* ---- opening ---- */

/* What stands behind the topic in a stream of this row for this symbol. */
static void format_tail(const stream_row *row, const instrument *traded,
                        char out[STREAM_NAME_BYTES])
{
    const char *settle = traded->is_inverse ? "inverse" : traded->settle;
    int n = 0;
    switch (row->scope) {
    case SCOPE_SYMBOL:
        n = snprintf(out, STREAM_NAME_BYTES, "%s", traded->symbol);
        break;
    case SCOPE_COIN:
        n = snprintf(out, STREAM_NAME_BYTES, "%s", traded->base);
        break;
    case SCOPE_SETTLE:
        n = snprintf(out, STREAM_NAME_BYTES, "%s", settle);
        break;
    case SCOPE_COIN_EXPIRY:
        n = snprintf(out, STREAM_NAME_BYTES, "%s_USD.%s", traded->base, traded->expiry);
        break;
    case SCOPE_SYMBOL_INTERVAL:
        n = snprintf(out, STREAM_NAME_BYTES, "%s.1m", traded->symbol);
        break;
    case SCOPE_ALL:
        out[0] = '\0';
        break;
    }
    TD_ASSERT(n >= 0);
    TD_ASSERT(n < STREAM_NAME_BYTES);
}

/* The stream of that name among those that there are, or the count. */
static uint32_t find_stream(const venue *v, const stream_row *row, const char *name)
{
    uint32_t at = 0;
    if (row->scope == SCOPE_SYMBOL)
        return v->stream_count; /* symbols have names of their own */
    while (at < v->stream_count &&
           (v->streams[at].row != row || strcmp(v->streams[at].name, name) != 0))
        at++;
    return at;
}

/* Rows of both tables are counted through: the family's own, then the account's. */
static size_t row_count(const venue *v)
{
    return v->options.streams->count + (v->options.account == NULL ? 0 : v->options.account->count);
}

static const stream_row *row_at(const venue *v, size_t index)
{
    size_t own = v->options.streams->count;
    return index < own ? &v->options.streams->rows[index] : &v->options.account->rows[index - own];
}

/* The stream of a row for a symbol, made if it is not there yet. */
static td_result add_stream(venue *v, size_t row_index, uint32_t member, td_err *err)
{
    const stream_row *row = row_at(v, row_index);
    char tail[STREAM_NAME_BYTES];
    char name[STREAM_NAME_BYTES * 2];
    venue_member *of = &v->members[member];
    format_tail(row, &of->symbol.traded, tail);
    int n = snprintf(name, sizeof name, "%s%s%s", row->topic, tail[0] != '\0' ? "." : "", tail);
    TD_ASSERT(n > 0);
    TD_ASSERT(n < STREAM_NAME_BYTES);
    uint32_t at = find_stream(v, row, name);
    TD_ASSERT(of->stream_count < VENUE_SYMBOL_STREAMS_MAX);
    of->streams[of->stream_count++] = at;
    if (at < v->stream_count)
        return TD_OK;
    TD_ASSERT(at < v->stream_capacity);
    stream *made = &v->streams[v->stream_count++];
    made->row = row;
    made->text = &v->rows[row_index];
    made->is_private = row_index >= v->options.streams->count;
    made->first = member;
    made->countdown = 1 + row->events_max / 2;
    memcpy(made->name, name, (size_t)n + 1);
    int is_whole = row->scope == SCOPE_COIN_EXPIRY || row->scope == SCOPE_SYMBOL_INTERVAL;
    made->topic = is_whole ? made->name : row->topic;
    made->symbol = is_whole ? "" : made->name + strlen(row->topic) + (tail[0] != '\0');
    uint64_t place = td_xxh64(made->name, (size_t)n);
    while (v->by_name[place & v->by_name_mask] != 0)
        place++;
    v->by_name[place & v->by_name_mask] = v->stream_count;
    td_result rc = TD_OK;
    if (row->kind == STREAM_BOOK)
        rc = window_open(row->depth, &made->window, err);
    if (row->kind == STREAM_TICKER &&
        (made->shown = td_alloc_zero(SIM_COUNT, sizeof *made->shown)) == NULL)
        rc = td_err_set(err, TD_E_NOMEM, "no memory for a ticker");
    if (rc == TD_OK)
        venue_set_shown(v, made, v->options.start_ns);
    return rc;
}

static td_result open_member(venue *v, uint32_t index, td_err *err)
{
    venue_member *member = &v->members[index];
    td_result rc = symbol_open(&member->symbol, v->options.traded, index, &v->random,
                               v->options.start_ns, err);
    unsigned class_bit = member->symbol.traded.instrument_class;
    for (size_t i = 0; rc == TD_OK && i < row_count(v); i++)
        if ((row_at(v, i)->classes == 0 || (row_at(v, i)->classes & class_bit) != 0) &&
            (row_at(v, i)->products == 0 ||
             (row_at(v, i)->products & 1u << v->options.traded) != 0))
            rc = add_stream(v, i, index, err);
    return rc;
}

static td_result compile_rows(venue *v, td_err *err)
{
    td_result rc = TD_OK;
    for (size_t i = 0; rc == TD_OK && i < row_count(v); i++) {
        const stream_row *row = row_at(v, i);
        rc = template_open(row->snapshot, &v->rows[i].snapshot, err);
        if (rc == TD_OK && row->delta != NULL)
            rc = template_open(row->delta, &v->rows[i].delta, err);
    }
    return rc;
}

static td_result open_scratch(venue *v, td_err *err)
{
    uint32_t depth = 0;
    for (size_t i = 0; i < row_count(v); i++)
        if (row_at(v, i)->depth > depth)
            depth = row_at(v, i)->depth;
    return depth > 0 ? window_open(depth, &v->scratch, err) : TD_OK;
}

static td_result open_parts(venue *v, td_err *err)
{
    uint32_t symbols = v->options.symbol_count;
    size_t rows = row_count(v);
    v->stream_capacity = symbols * (uint32_t)rows;
    v->members = td_alloc_zero(symbols, sizeof *v->members);
    v->streams = td_alloc_zero(v->stream_capacity, sizeof *v->streams);
    v->rows = td_alloc_zero(rows, sizeof *v->rows);
    uint32_t places = 16;
    while (places < 2 * v->stream_capacity)
        places *= 2;
    v->by_name_mask = places - 1;
    v->by_name = td_alloc_zero(places, sizeof *v->by_name);
    if (v->members == NULL || v->streams == NULL || v->rows == NULL || v->by_name == NULL)
        return td_err_set(err, TD_E_NOMEM, "no memory for %u symbols", symbols);
    td_result rc = open_scratch(v, err);
    if (rc == TD_OK)
        rc = compile_rows(v, err);
    if (rc == TD_OK && v->options.account != NULL)
        rc = account_open(v->options.seed + 1, &v->account, err);
    for (uint32_t i = 0; rc == TD_OK && i < symbols; i++)
        rc = open_member(v, i, err);
    while (v->first_private < v->stream_count && !v->streams[v->first_private].is_private)
        v->first_private++;
    v->next_told = v->first_private;
    return rc;
}

td_result venue_open(const venue_options *options, venue **out, td_err *err)
{
    TD_ASSERT(options->symbol_count > 0);
    TD_ASSERT(options->symbol_count <= INSTRUMENTS_MAX);
    venue *v = td_alloc_zero(1, sizeof *v);
    if (v == NULL)
        return td_err_set(err, TD_E_NOMEM, "no memory for an exchange");
    v->options = *options;
    v->next_number = 2290000000000000000 + (int64_t)(options->start_ns / TD_NS_PER_S % 1000000007);
    td_random_init(&v->random, options->seed);
    td_result rc = open_parts(v, err);
    if (rc != TD_OK) {
        venue_close(v);
        return rc;
    }
    *out = v;
    return TD_OK;
}

void venue_close(venue *v)
{
    if (v == NULL)
        return;
    for (uint32_t i = 0; v->members != NULL && i < v->options.symbol_count; i++)
        symbol_close(&v->members[i].symbol);
    for (uint32_t i = 0; i < v->stream_count; i++) {
        td_free(v->streams[i].window);
        td_free(v->streams[i].shown);
    }
    for (size_t i = 0; v->rows != NULL && i < row_count(v); i++) {
        template_close(v->rows[i].snapshot);
        template_close(v->rows[i].delta);
    }
    account_close(v->account);
    td_free(v->scratch);
    td_free(v->by_name);
    td_free(v->rows);
    td_free(v->streams);
    td_free(v->members);
    td_free(v);
}

/* ---- looking ---- */

uint32_t venue_stream_count(const venue *v)
{
    return v->stream_count;
}

venue_stream venue_stream_at(const venue *v, uint32_t index)
{
    TD_ASSERT(index < v->stream_count);
    const stream *of = &v->streams[index];
    return (venue_stream){.exchange_topic = of->name,
                          .topic = of->topic,
                          .symbol = of->symbol,
                          .row = of->row,
                          .is_private = of->is_private};
}

uint32_t venue_find(const venue *v, td_bytes exchange_topic)
{
    uint64_t at = td_xxh64(exchange_topic.data, exchange_topic.size);
    for (;; at++) {
        uint32_t index = v->by_name[at & v->by_name_mask];
        if (index == 0)
            return v->stream_count;
        if (td_bytes_is(exchange_topic, v->streams[index - 1].name))
            return index - 1;
    }
}

const book_window *venue_book(const venue *v, uint32_t index)
{
    TD_ASSERT(index < v->stream_count);
    return v->streams[index].window;
}

venue_told venue_last_told(const venue *v)
{
    const list_source *list = &v->items;
    venue_told told = {.symbol = list->symbol,
                       .trades = &list->symbol->trades[list->trade_first],
                       .trade_count = list->trade_count,
                       .candle_count = list->candle_count};
    TD_ASSERT(list->trade_first + list->trade_count <= MARKET_TRADES_MAX);
    for (size_t i = 0; i < list->candle_count; i++) {
        told.candles[i] = list->candles[i];
        told.is_closed[i] = list->is_closed[i];
    }
    return told;
}

const sim_value *venue_last_values(const venue *v)
{
    return v->values;
}

const sim_symbol *venue_symbol_at(const venue *v, uint32_t symbol)
{
    TD_ASSERT(symbol < v->options.symbol_count);
    return &v->members[symbol].symbol;
}
