/* instrument_info frames, and what all frames begin and end with. */
#include "sim/shape.h"

#include <stdio.h>

#include "base/assert.h"
#include "base/clock.h"
#include "base/time_text.h"
#include "sim/shape_impl.h"

void shape_begin(text_out *out, const shape_frame *frame, const char *type)
{
    text_puts(out, "{\"topic\":\"");
    text_puts(out, frame->topic);
    text_puts(out, "\",\"type\":\"");
    text_puts(out, type);
    text_puts(out, "\",\"data\":");
}

void shape_end(text_out *out, const shape_frame *frame)
{
    const char *quote = frame->shape == SHAPE_LINEAR ? "\"" : "";
    text_puts(out, ",\"cross_seq\":");
    text_puts(out, quote);
    text_put_i64(out, frame->seq);
    text_puts(out, quote);
    text_puts(out, ",\"timestamp_e6\":");
    text_puts(out, quote);
    text_put_u64(out, frame->ts_ns / TD_NS_PER_US, 1);
    text_puts(out, quote);
    text_puts(out, "}");
}

void shape_format_second(uint64_t ns, const char *tail, char out[SHAPE_SECOND_BYTES])
{
    enum { TO_THE_SECOND = 19 };
    char text[TD_TIME_TEXT_BYTES];
    td_time_format(ns, text);
    int n = snprintf(out, SHAPE_SECOND_BYTES, "%.*s%s", TO_THE_SECOND, text, tail);
    TD_ASSERT(n > TO_THE_SECOND);
    TD_ASSERT(n < SHAPE_SECOND_BYTES);
}

const char *tick_direction_name(tick_direction direction)
{
    static const char *const NAMES[] = {
        [TICK_PLUS] = "PlusTick",
        [TICK_ZERO_PLUS] = "ZeroPlusTick",
        [TICK_MINUS] = "MinusTick",
        [TICK_ZERO_MINUS] = "ZeroMinusTick",
    };
    TD_ASSERT((size_t)direction < sizeof NAMES / sizeof NAMES[0]);
    return NAMES[direction];
}

/* ---- instrument_info ---- */

typedef enum ticker_kind {
    KIND_PRICE,     /* "<key>_e4": the price times 10^4, then "<key>": the price as text */
    KIND_NUMBER,    /* a whole number */
    KIND_DIRECTION, /* a tick direction's name */
} ticker_kind;

/* One value, under the key of each shape; NULL: that shape does not have it. */
typedef struct ticker_row {
    ticker_value value;
    ticker_kind kind;
    const char *keys[2]; /* by frame_shape */
} ticker_row;

static const ticker_row TICKER_ROWS[] = {
    {TICKER_LAST, KIND_PRICE, {"last_price", "last_price"}},
    {TICKER_BID1, KIND_PRICE, {"bid1_price", "bid1_price"}},
    {TICKER_ASK1, KIND_PRICE, {"ask1_price", "ask1_price"}},
    {TICKER_DIRECTION, KIND_DIRECTION, {"last_tick_direction", "last_tick_direction"}},
    {TICKER_PREV_24H, KIND_PRICE, {"prev_price_24h", "prev_price_24h"}},
    {TICKER_PCNT_24H, KIND_NUMBER, {"price_24h_pcnt_e6", "price_24h_pcnt_e6"}},
    {TICKER_HIGH_24H, KIND_PRICE, {"high_price_24h", "high_price_24h"}},
    {TICKER_LOW_24H, KIND_PRICE, {"low_price_24h", "low_price_24h"}},
    {TICKER_PREV_1H, KIND_PRICE, {"prev_price_1h", "prev_price_1h"}},
    {TICKER_PCNT_1H, KIND_NUMBER, {"price_1h_pcnt_e6", "price_1h_pcnt_e6"}},
    {TICKER_MARK, KIND_PRICE, {"mark_price", "mark_price"}},
    {TICKER_INDEX, KIND_PRICE, {"index_price", "index_price"}},
    {TICKER_OPEN_INTEREST, KIND_NUMBER, {"open_interest", "open_interest_e8"}},
    {TICKER_OPEN_VALUE, KIND_NUMBER, {"open_value_e8", NULL}},
    {TICKER_TOTAL_TURNOVER, KIND_NUMBER, {"total_turnover_e8", "total_turnover_e8"}},
    {TICKER_TURNOVER_24H, KIND_NUMBER, {"turnover_24h_e8", "turnover_24h_e8"}},
    {TICKER_TOTAL_VOLUME, KIND_NUMBER, {"total_volume", "total_volume_e8"}},
    {TICKER_VOLUME_24H, KIND_NUMBER, {"volume_24h", "volume_24h_e8"}},
    {TICKER_FUNDING_RATE, KIND_NUMBER, {"funding_rate_e6", "funding_rate_e6"}},
    {TICKER_PREDICTED_RATE,
     KIND_NUMBER,
     {"predicted_funding_rate_e6", "predicted_funding_rate_e6"}},
};

_Static_assert(SHAPE_INVERSE == 0 && SHAPE_LINEAR == 1, "keys are indexed by shape");
_Static_assert(sizeof TICKER_ROWS / sizeof TICKER_ROWS[0] == TICKER_VALUE_COUNT,
               "every value has a row");

/* ,"<key><suffix>":<value>, the value in quotes where the shape has it so. */
static void put_member(text_out *out, const shape_frame *frame, const char *key, const char *suffix,
                       int64_t value)
{
    const char *quote = frame->shape == SHAPE_LINEAR ? "\"" : "";
    text_puts(out, ",\"");
    text_puts(out, key);
    text_puts(out, suffix);
    text_puts(out, "\":");
    text_puts(out, quote);
    text_put_i64(out, value);
    text_puts(out, quote);
}

static void put_text_member(text_out *out, const char *key, const char *value)
{
    text_puts(out, ",\"");
    text_puts(out, key);
    text_puts(out, "\":\"");
    text_puts(out, value);
    text_puts(out, "\"");
}

static void put_value(text_out *out, const shape_frame *frame, const ticker_row *row, int64_t value)
{
    const char *key = row->keys[frame->shape];
    unsigned places = frame->traded->price_places;
    switch (row->kind) {
    case KIND_NUMBER:
        put_member(out, frame, key, "", value);
        break;
    case KIND_DIRECTION:
        put_text_member(out, key, tick_direction_name((tick_direction)value));
        break;
    case KIND_PRICE:
        put_member(out, frame, key, "_e4", value * text_power10(4u - places));
        text_puts(out, ",\"");
        text_puts(out, key);
        text_puts(out, "\":\"");
        text_put_fixed(out, value, places);
        text_puts(out, "\"");
        break;
    }
}

/* {"id":…,"symbol":… */
static void begin_item(text_out *out, const shape_frame *frame)
{
    text_puts(out, "{\"id\":");
    text_put_u64(out, frame->traded->id, 1);
    put_text_member(out, "symbol", frame->traded->symbol);
}

/* When it was listed and last changed; with every entry. */
static void put_stamps(text_out *out, const shape_frame *frame, const ticker *state)
{
    int is_linear = frame->shape == SHAPE_LINEAR;
    char updated[SHAPE_SECOND_BYTES];
    shape_format_second(frame->ts_ns, is_linear ? ".000Z" : "Z", updated);
    put_member(out, frame, "cross_seq", "", state->seq);
    put_text_member(out, "created_at",
                    is_linear ? "1970-01-01T00:00:00.000Z" : "2018-11-14T16:33:26Z");
    put_text_member(out, "updated_at", updated);
}

void shape_ticker_snapshot(const shape_frame *frame, const ticker *state, text_out *out)
{
    enum { FUNDING_HOURS = 8 };
    const uint64_t hour_ns = 3600 * TD_NS_PER_S;
    uint64_t next_funding =
        (frame->ts_ns / (FUNDING_HOURS * hour_ns) + 1) * FUNDING_HOURS * hour_ns;
    char funding_at[SHAPE_SECOND_BYTES];
    shape_format_second(next_funding, "Z", funding_at);
    shape_begin(out, frame, "snapshot");
    begin_item(out, frame);
    for (size_t i = 0; i < TICKER_VALUE_COUNT; i++)
        if (TICKER_ROWS[i].keys[frame->shape] != NULL)
            put_value(out, frame, &TICKER_ROWS[i], state->values[TICKER_ROWS[i].value]);
    put_stamps(out, frame, state);
    put_text_member(out, "next_funding_time", funding_at);
    put_member(
        out, frame, frame->shape == SHAPE_LINEAR ? "count_down_hour" : "countdown_hour", "",
        (int64_t)((next_funding - frame->ts_ns + hour_ns - 1) / hour_ns)); /* begun hours count */
    put_member(out, frame, "funding_rate_interval", "", FUNDING_HOURS);
    put_member(out, frame, "settle_time_e9", "", 0);
    put_text_member(out, "delisting_status", "0");
    text_puts(out, "}");
    shape_end(out, frame);
}

int shape_ticker_delta(const shape_frame *frame, const ticker *from, const ticker *to,
                       text_out *out)
{
    if (memcmp(from->values, to->values, sizeof from->values) == 0)
        return 0;
    shape_begin(out, frame, "delta");
    text_puts(out, frame->shape == SHAPE_LINEAR ? "{\"update\":[" : "{\"delete\":[],\"update\":[");
    begin_item(out, frame);
    for (size_t i = 0; i < TICKER_VALUE_COUNT; i++) {
        const ticker_row *row = &TICKER_ROWS[i];
        if (row->keys[frame->shape] != NULL && from->values[row->value] != to->values[row->value])
            put_value(out, frame, row, to->values[row->value]);
    }
    put_stamps(out, frame, to);
    text_puts(out, frame->shape == SHAPE_LINEAR ? "}]}" : "}],\"insert\":[]}");
    shape_end(out, frame);
    return 1;
}
