/* A program for tests: decodes frames with a reader (tapedeck/tapedeck.h), and prints the complete
 * result, one JSON object per line. Messages have the names of `replay --messages`, so that the two
 * can be compared. usage: frames FAMILY WANTS; each line of standard input has a receive time, a
 * space, and a frame. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <tapedeck/tapedeck.h>

typedef struct writer {
    const tapedeck_host *host;
    FILE *out;
    const tapedeck_book *other; /* the first book; printed with frames that have no book */
    int needs_comma;
} writer;

/* ---- JSON ---- */

/* Writes a comma if needed, and a member's name; NULL for an element of a list. */
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

/* Writes text that is JSON. */
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
    if (frame->has_prev_seq)
        put_number(w, "prev_seq", frame->prev_seq);
    if (frame->has_checksum)
        put_number(w, "checksum", frame->checksum);
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
    for (size_t i = 0; w->host->book_levels(book, side, i, 1, &level) == 1; i++) {
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

static void put_frame(writer *w, const tapedeck_frame *frame)
{
    begin(w, NULL, '{');
    put_text(w, "family", frame->family);
    put_view(w, "exchange_topic", frame->exchange_topic);
    put_number(w, "ordinal", (int64_t)frame->ordinal);
    put_number(w, "recv_ns", (int64_t)frame->recv_ns);
    put_number(w, "content", frame->content);
    put_text(w, "reason", frame->reason);
    put_view(w, "bytes", (tapedeck_text){(const char *)frame->bytes, frame->byte_count});
    put_message(w, frame);
    put_verdict(w, frame);
    if (frame->book != NULL)
        put_book(w, "book", frame->book);
    else if (w->other != NULL)
        put_book(w, "other", w->other);
    if (w->other == NULL)
        w->other = frame->book;
    end(w, '}');
    putc('\n', w->out);
    w->needs_comma = 0;
}

int main(int argc, char **argv)
{
    tapedeck_reader *reader =
        argc == 3 ? tapedeck_reader_open(argv[1], (uint32_t)strtoul(argv[2], NULL, 10)) : NULL;
    char *line = NULL;
    size_t space = 0;
    ssize_t size;
    if (reader == NULL)
        return 1;
    writer w = {.host = tapedeck_reader_host(reader), .out = stdout};
    while ((size = getline(&line, &space, stdin)) > 0) {
        char *text;
        uint64_t recv_ns = strtoull(line, &text, 10);
        size_t length = (size_t)(line + size - text) - 2; /* without the space and the LF */
        put_frame(&w, tapedeck_reader_decode(reader, text + 1, length, recv_ns));
    }
    free(line);
    tapedeck_reader_close(reader);
    return fflush(stdout) != 0;
}
