/* A plugin for tests: writes all that it is shown to a file, one JSON object a line. Messages have
 * the names of `replay --messages`, so that the two can be compared; beside them is what only
 * plugins see. Compiled with -DWANTS=N for what it wants. Argument: KEY=VALUE joined by commas:
 *   out=FILE           the file (required)
 *   stop=N, fail=N     stop, fail at the N-th frame
 *   answer=N           with fail: answer this number there
 *   begin=N, end=N     the answers of begin and end
 *   levels=N           how many levels a side of books it writes (default: all) */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <tapedeck/plugin.h>

typedef struct writer {
    const tapedeck_host *host;
    FILE *out;
    const tapedeck_book *other; /* of the first book that it saw */
    unsigned long frames, stop, fail, levels;
    int answer, end_answer, needs_comma;
} writer;

/* ---- JSON ---- */

/* The name of a member, or NULL: an element of a list. */
static void begin_value(writer *w, const char *name)
{
    if (w->needs_comma)
        putc(',', w->out);
    w->needs_comma = 1;
    if (name != NULL)
        fprintf(w->out, "\"%s\":", name);
}

static void begin(writer *w, const char *name, char bracket)
{
    begin_value(w, name);
    putc(bracket, w->out);
    w->needs_comma = 0;
}

static void end(writer *w, char bracket)
{
    putc(bracket, w->out);
    w->needs_comma = 1;
}

static void end_line(writer *w)
{
    end(w, '}');
    putc('\n', w->out);
    w->needs_comma = 0;
}

static void put_view(writer *w, const char *name, tapedeck_text text)
{
    begin_value(w, name);
    putc('"', w->out);
    for (size_t i = 0; i < text.size; i++) {
        unsigned char c = (unsigned char)text.data[i];
        if (c == '"' || c == '\\')
            fprintf(w->out, "\\%c", c);
        else if (c < ' ')
            fprintf(w->out, "\\u%04x", c);
        else
            putc(c, w->out);
    }
    putc('"', w->out);
}

static void put_text(writer *w, const char *name, const char *text)
{
    put_view(w, name, (tapedeck_text){text, strlen(text)});
}

static void put_decimal(writer *w, const char *name, tapedeck_decimal value)
{
    char text[TAPEDECK_DECIMAL_BYTES];
    w->host->decimal_format(value, text);
    put_text(w, name, text);
}

static void put_number(writer *w, const char *name, int64_t value)
{
    begin_value(w, name);
    fprintf(w->out, "%" PRId64, value);
}

/* Text that is JSON. */
static void put_json(writer *w, const char *name, tapedeck_text text)
{
    begin_value(w, name);
    fwrite(text.data, 1, text.size, w->out);
}

static void put_flag(writer *w, const char *name, int is_true)
{
    begin_value(w, name);
    fputs(is_true ? "true" : "false", w->out);
}

/* ---- frames ---- */

static const char *const SIDES[] = {"Buy", "Sell", "none"};
static const char *const ACTIONS[] = {"none", "set", "delete", "update", "insert"};
static const char *const KINDS[] = {"", "snapshot", "delta"};
static const char *const VERDICTS[] = {"unjudged", "ok", "violation"};
static const char *const STRENGTHS[] = {"error", "warning", "statistic"};

static void put_value(writer *w, const tapedeck_value *value)
{
    switch (value->type) {
    case TAPEDECK_DECIMAL:
        put_decimal(w, value->name, value->decimal);
        break;
    case TAPEDECK_TEXT:
    case TAPEDECK_BIG_DECIMAL:
        put_view(w, value->name, value->text);
        break;
    case TAPEDECK_JSON:
        put_json(w, value->name, value->text);
        break;
    case TAPEDECK_BOOL:
        put_flag(w, value->name, value->integer != 0);
        break;
    case TAPEDECK_SIDE:
        put_text(w, value->name, SIDES[value->integer]);
        break;
    default:
        put_number(w, value->name, value->integer);
        break;
    }
}

static void put_values(writer *w, const tapedeck_frame *frame, size_t entry)
{
    tapedeck_value value, again;
    for (size_t i = 0; w->host->value(frame, entry, i, &value); i++) {
        put_value(w, &value);
        if (!w->host->value_named(frame, entry, value.name, &again) || again.type != value.type)
            put_text(w, "not_found_by_name", value.name);
    }
}

static void put_levels(writer *w, const tapedeck_frame *frame)
{
    tapedeck_level level;
    begin(w, "levels", '[');
    for (size_t i = 0; w->host->level(frame, i, &level); i++) {
        begin(w, NULL, '{');
        put_text(w, "action", ACTIONS[level.action]);
        put_text(w, "side", SIDES[level.side]);
        put_decimal(w, "price", level.price);
        if (level.action == TAPEDECK_DELETE)
            put_json(w, "size", (tapedeck_text){"null", 4});
        else
            put_decimal(w, "size", level.size);
        if (level.rpi_size.mantissa != 0)
            put_decimal(w, "rpi_size", level.rpi_size);
        put_values(w, frame, i);
        end(w, '}');
    }
    end(w, ']');
}

static void put_trades(writer *w, const tapedeck_frame *frame)
{
    tapedeck_trade trade;
    begin(w, "trades", '[');
    for (size_t i = 0; w->host->trade(frame, i, &trade); i++) {
        begin(w, NULL, '{');
        if (trade.symbol.size > 0)
            put_view(w, "symbol", trade.symbol);
        put_text(w, "side", SIDES[trade.side]);
        put_decimal(w, "price", trade.price);
        put_decimal(w, "size", trade.size);
        put_number(w, "exchange_ns", (int64_t)trade.exchange_ns);
        if (trade.trade_id.size > 0)
            put_view(w, "trade_id", trade.trade_id);
        if (trade.tick_direction.size > 0)
            put_view(w, "tick_direction", trade.tick_direction);
        if (trade.has_cross_seq)
            put_number(w, "cross_seq", trade.cross_seq);
        if (trade.has_seq)
            put_number(w, "seq", trade.seq);
        if (trade.is_block_trade >= 0)
            put_flag(w, "is_block_trade", trade.is_block_trade);
        if (trade.is_rpi_trade >= 0)
            put_flag(w, "is_rpi_trade", trade.is_rpi_trade);
        put_values(w, frame, i);
        end(w, '}');
    }
    end(w, ']');
}

static void put_items(writer *w, const tapedeck_frame *frame)
{
    begin(w, "items", '[');
    for (size_t i = 0; i < frame->entry_count; i++) {
        uint32_t action = w->host->action(frame, i);
        begin(w, NULL, '{');
        if (action != TAPEDECK_NO_ACTION)
            put_text(w, "action", ACTIONS[action]);
        put_values(w, frame, i);
        end(w, '}');
    }
    end(w, ']');
}

static void put_message(writer *w, const tapedeck_frame *frame)
{
    begin(w, "message", '{');
    put_text(w, "type", frame->type);
    put_text(w, "kind", KINDS[frame->kind]);
    put_text(w, "topic", frame->topic);
    put_text(w, "symbol", frame->symbol);
    put_number(w, "exchange_ns", (int64_t)frame->exchange_ns);
    if (frame->has_cross_seq)
        put_number(w, "cross_seq", frame->cross_seq);
    if (frame->has_u)
        put_number(w, "u", frame->u);
    if (frame->has_seq)
        put_number(w, "seq", frame->seq);
    if (frame->match_ns != 0)
        put_number(w, "match_ns", (int64_t)frame->match_ns);
    if (frame->version.size > 0 && frame->content == TAPEDECK_BOOK)
        put_view(w, "version", frame->version);
    if (frame->unknown_fields != 0)
        put_number(w, "unknown_fields", frame->unknown_fields);
    put_values(w, frame, TAPEDECK_ENVELOPE);
    if (frame->content == TAPEDECK_BOOK)
        put_levels(w, frame);
    else if (frame->content == TAPEDECK_TRADES)
        put_trades(w, frame);
    else if (frame->content == TAPEDECK_RECORD)
        put_items(w, frame);
    end(w, '}');
}

static void put_side(writer *w, const tapedeck_book *book, uint32_t side, const char *name,
                     const char *count_name)
{
    tapedeck_book_level level;
    begin(w, name, '[');
    for (size_t i = 0; i < w->levels && w->host->book_levels(book, side, i, 1, &level) == 1; i++) {
        begin(w, NULL, '{');
        put_decimal(w, "price", level.price);
        put_decimal(w, "size", level.size);
        end(w, '}');
    }
    end(w, ']');
    put_number(w, count_name, (int64_t)w->host->book_level_count(book, side));
}

static void put_book(writer *w, const char *name, const tapedeck_book *book)
{
    begin(w, name, '{');
    put_side(w, book, TAPEDECK_BUY, "bids", "bid_count");
    put_side(w, book, TAPEDECK_SELL, "asks", "ask_count");
    put_number(w, "broken", w->host->book_is_broken(book));
    end(w, '}');
}

static void put_verdict(writer *w, const tapedeck_frame *frame)
{
    tapedeck_rule rule;
    put_text(w, "verdict", VERDICTS[frame->verdict]);
    put_number(w, "unchecked", frame->is_unchecked);
    put_number(w, "book_broken", frame->is_book_broken);
    begin(w, "rules", '[');
    for (size_t i = 0; w->host->rule(frame, i, &rule); i++) {
        begin(w, NULL, '{');
        put_text(w, "rule", rule.name);
        put_text(w, "strength", STRENGTHS[rule.strength]);
        put_number(w, "expected", rule.expected);
        put_number(w, "found", rule.found);
        end(w, '}');
    }
    end(w, ']');
}

static int on_frame(void *self, const tapedeck_frame *frame)
{
    writer *w = self;
    w->frames++;
    begin(w, NULL, '{');
    put_text(w, "what", "frame");
    put_text(w, "feed", frame->feed);
    put_text(w, "family", frame->family);
    put_view(w, "exchange_topic", frame->exchange_topic);
    put_text(w, "session", frame->session);
    put_number(w, "line", frame->line);
    put_number(w, "shard", frame->shard);
    put_number(w, "conn", frame->connection);
    put_number(w, "ordinal", (int64_t)frame->ordinal);
    put_number(w, "recv_ns", (int64_t)frame->recv_ns);
    put_number(w, "content", frame->content);
    put_text(w, "reason", frame->reason);
    put_number(w, "lead_in", frame->is_lead_in);
    put_number(w, "copy", frame->is_copy);
    put_view(w, "bytes", (tapedeck_text){(const char *)frame->bytes, frame->byte_count});
    put_message(w, frame);
    put_verdict(w, frame);
    if (frame->book != NULL)
        put_book(w, "book", frame->book);
    else if (w->other != NULL)
        put_book(w, "other", w->other);
    if (w->other == NULL && !frame->is_copy)
        w->other = frame->book;
    end_line(w);
    if (w->frames == w->fail)
        return w->answer != 0 ? w->answer : w->host->fail(w->host, "the limit\nwas reached");
    return w->frames == w->stop ? TAPEDECK_STOP : TAPEDECK_GO;
}

static int on_event(void *self, const tapedeck_event *event)
{
    writer *w = self;
    begin(w, NULL, '{');
    put_text(w, "what", "event");
    put_text(w, "kind", event->kind);
    put_text(w, "feed", event->feed);
    put_text(w, "session", event->session);
    put_number(w, "recv_ns", (int64_t)event->recv_ns);
    put_number(w, "line", event->line);
    put_number(w, "shard", event->shard);
    put_number(w, "conn", event->connection);
    put_text(w, "state", event->state);
    put_text(w, "url", event->url);
    put_text(w, "topics", event->topics);
    put_text(w, "topic", event->topic);
    put_text(w, "symbol", event->symbol);
    put_text(w, "reason", event->reason);
    put_text(w, "cause", event->cause);
    put_text(w, "detail", event->detail);
    put_number(w, "from_ns", (int64_t)event->from_ns);
    put_number(w, "to_ns", (int64_t)event->to_ns);
    put_json(w, "json", event->json);
    end_line(w);
    return TAPEDECK_GO;
}

/* ---- life ---- */

/* The value of a key in the argument, "" if it is absent, in a buffer that the next call uses. */
static const char *value_of(const char *argument, const char *key)
{
    static char found[4096];
    size_t length = strlen(key);
    for (const char *at = argument; at != NULL; at = strchr(at, ',')) {
        at += *at == ',';
        if (strncmp(at, key, length) != 0 || at[length] != '=')
            continue;
        snprintf(found, sizeof found, "%.*s", (int)strcspn(at + length + 1, ","), at + length + 1);
        return found;
    }
    return "";
}

static unsigned long number_of(const char *argument, const char *key)
{
    return strtoul(value_of(argument, key), NULL, 10);
}

static int on_begin(const tapedeck_host *host, const char *argument, void **self)
{
    int answer = (int)number_of(argument, "begin");
    if (answer != 0)
        return answer == TAPEDECK_FAIL ? host->fail(host, "it fails on purpose") : answer;
    writer *w = calloc(1, sizeof *w);
    if (w == NULL)
        return host->fail(host, "no memory");
    w->host = host;
    w->out = fopen(value_of(argument, "out"), "w");
    w->stop = number_of(argument, "stop");
    w->fail = number_of(argument, "fail");
    w->answer = (int)number_of(argument, "answer");
    w->end_answer = (int)number_of(argument, "end");
    w->levels = number_of(argument, "levels");
    if (w->levels == 0)
        w->levels = SIZE_MAX;
    if (w->out == NULL) {
        free(w);
        return host->fail(host, "its file cannot be opened");
    }
    host->log(host, argument);
    *self = w;
    return TAPEDECK_GO;
}

static int on_end(void *self, const tapedeck_result *result)
{
    static const char *const OUTCOMES[] = {"ended", "stopped", "failed"};
    static const char *const HOLDS[] = {"", "complete", "incomplete", "damaged"};
    writer *w = self;
    begin(w, NULL, '{');
    put_text(w, "what", "end");
    put_text(w, "outcome", OUTCOMES[result->outcome]);
    put_text(w, "verdict", HOLDS[result->verdict]);
    put_number(w, "frames", (int64_t)result->frames);
    put_number(w, "decoded", (int64_t)result->decoded);
    put_number(w, "undecoded", (int64_t)result->undecoded);
    put_number(w, "violations", (int64_t)result->violations);
    put_number(w, "first_recv_ns", (int64_t)result->first_recv_ns);
    put_number(w, "last_recv_ns", (int64_t)result->last_recv_ns);
    put_text(w, "error", result->error);
    put_book(w, "other", w->other);
    end_line(w);
    int answer = fclose(w->out) == 0 ? w->end_answer : TAPEDECK_FAIL;
    free(w);
    return answer;
}

#ifndef WANTS
#define WANTS 0
#endif

const struct tapedeck_plugin tapedeck_plugin = {
    .abi = TAPEDECK_PLUGIN_ABI,
    .wants = WANTS,
    .size = sizeof tapedeck_plugin,
    .name = "frames",
    .begin = on_begin,
    .frame = on_frame,
    .event = on_event,
    .end = on_end,
};
