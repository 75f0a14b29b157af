/* Named values in the frames of the simulated exchange. The engine's code sets them, and templates
 * (schema/template.h) contain their names; the list below has all names. In a template, a value is
 * written in a format:
 *
 *   $name          with all its decimal places; a text unchanged
 *   $name:s        in its shortest form            $name:b    true or false
 *   $name:e4       times 10^4, as a whole number; for a time :e3 means ms
 *   $name:d3       with 3 decimal places, cut: a time in seconds
 *   $name:i3       a time as RFC 3339 text, with 3 digits of the fraction of a second
 *
 * One thread for each source. */
#ifndef TD_SIM_VALUE_H
#define TD_SIM_VALUE_H

#include <stdint.h>

#include "schema/template.h"

/* A value: the number n / 10^places, a time in ns (places is 9), or a text. */
typedef struct sim_value {
    int64_t n;
    const char *text; /* if not NULL, the value is this text, and n is ignored */
    uint8_t places;
} sim_value;

/* Enumerator and name of each value. Its meaning is documented where it is set: sim/sim_family.c,
 * sim/symbol.c, sim/account.c. */
#define SIM_VALUES(X)                                                                              \
    /* Frames: */                                                                                  \
    X(TOPIC, "topic")   /* as the exchange writes it, with the symbol */                           \
    X(SYMBOL, "symbol") /* of the stream, or of a list's item */                                   \
    X(COIN, "coin")     /* base coin */                                                            \
    X(SETTLE, "settle") /* settlement coin */                                                      \
    X(TYPE, "type")     /* snapshot or delta */                                                    \
    X(TS, "ts")         /* time of the frame */                                                    \
    X(CTS, "cts")       /* time of the matching event */                                           \
    X(SEQ, "seq")       /* number of the matching event, counted for each symbol */                \
    X(U, "u")           /* update number of the stream */                                          \
    X(PREV_U, "prev_u") /* of the frame before; -1 in a snapshot */                                \
    /* Of a book after the frame, by its topic's recipe, as a signed number, of orders as an       \
     * unsigned one; prices and sizes are in their shortest form ($price:s). 0 if the topic has no \
     * checksum. */                                                                                \
    X(CHECKSUM, "checksum")                                                                        \
    X(UUID, "uuid")         /* an opaque id of the frame */                                        \
    X(INTERVAL, "interval") /* of a candle, as in the topic */                                     \
    /* Items of lists: */                                                                          \
    X(PRICE, "price")                                                                              \
    X(SIZE, "size")                                                                                \
    X(SIDE, "side")             /* Buy or Sell: the level's, or the taker's */                     \
    X(LEVEL_SIDE, "level_side") /* bid or offer */                                                 \
    /* what happened to a level: new, change or delete; to an order: add, modify or delete */      \
    X(LEVEL_ACTION, "level_action")                                                                \
    X(LEVEL_ORDER, "level_order")   /* the id of an order of a level */                            \
    X(LEVEL_TIME, "level_time")     /* when the order got its place in the queue */                \
    X(TRADE_ID, "trade_id")         /* a UUID; in spot 19 digits, rising */                        \
    X(TRADE_NUMBER, "trade_number") /* rises from trade to trade of the family */                  \
    X(TRADE_TIME, "trade_time")                                                                    \
    X(IS_BUY, "is_buy")             /* the taker is the buyer */                                   \
    X(IS_SELL, "is_sell")           /* the taker is the seller */                                  \
    X(TAKER, "taker")               /* buy or sell */                                              \
    X(TAKER_LETTER, "taker_letter") /* b or s */                                                   \
    X(MAKER, "maker")               /* BUY or SELL: the side of the order in the book */           \
    X(START, "start")                                                                              \
    X(END, "end")         /* of a candle, exclusive */                                             \
    X(LAST_MS, "last_ms") /* the candle's last millisecond */                                      \
    X(OPEN, "open")                                                                                \
    X(CLOSE, "close")                                                                              \
    X(HIGH, "high")                                                                                \
    X(LOW, "low")                                                                                  \
    X(VOLUME, "volume")                                                                            \
    X(TURNOVER, "turnover")                                                                        \
    X(CONFIRM, "confirm") /* the candle is closed */                                               \
    /* Tickers: */                                                                                 \
    X(LAST, "last")                                                                                \
    X(BID1, "bid1")                                                                                \
    X(BID1_SIZE, "bid1_size")                                                                      \
    X(ASK1, "ask1")                                                                                \
    X(ASK1_SIZE, "ask1_size")                                                                      \
    X(PREV_24H, "prev_24h")                                                                        \
    X(PCNT_24H, "pcnt_24h")                                                                        \
    X(HIGH_24H, "high_24h")                                                                        \
    X(LOW_24H, "low_24h")                                                                          \
    X(MARK, "mark")                                                                                \
    X(TURNOVER_24H, "turnover_24h")                                                                \
    X(VOLUME_24H, "volume_24h")                                                                    \
    /* Private frames: the order, the fill, the position, the balances. */                         \
    X(CATEGORY, "category")                                                                        \
    X(ORDER_ID, "order_id")             /* a UUID; in spot 19 digits */                            \
    X(ORDER_LINK, "order_link")         /* the client's id of the order */                         \
    X(ORDER_TYPE, "order_type")         /* Market, Limit */                                        \
    X(ORDER_PRICE, "order_price")       /* 0 for a market order */                                 \
    X(ORDER_DURATION, "order_duration") /* IOC, GTC, PostOnly */                                   \
    X(TRIGGER, "trigger")               /* price of a stop order, or "" */                         \
    X(CANCEL_TYPE, "cancel_type")                                                                  \
    X(REJECT_REASON, "reject_reason")                                                              \
    X(IS_MAKER, "is_maker")                                                                        \
    X(ORDER_STATUS, "order_status") /* New, PartiallyFilled, Filled … */                         \
    X(SPOT_STATUS, "spot_status")                                                                  \
    X(COPY_STATUS, "copy_status")                                                                  \
    X(LIVE_STATUS, "live_status") /* live, partially_filled, filled, canceled */                   \
    X(ORDER_QTY, "order_qty")                                                                      \
    X(ORDER_LEAVES, "order_leaves")                                                                \
    X(ORDER_CUM_QTY, "order_cum_qty")                                                              \
    X(ORDER_CUM_VALUE, "order_cum_value")                                                          \
    X(ORDER_CUM_FEE, "order_cum_fee")                                                              \
    X(EXEC_ID, "exec_id") /* of the last fill, like the next 3; a UUID, in spot 19 digits */       \
    X(EXEC_PRICE, "exec_price")                                                                    \
    X(EXEC_QTY, "exec_qty")                                                                        \
    X(EXEC_FEE, "exec_fee")                                                                        \
    X(POSITION, "position")                       /* size without sign */                          \
    X(POSITION_SIDE_NAME, "position_side_name")   /* Buy, Sell, None */                            \
    X(POSITION_SIDE_SHORT, "position_side_short") /* Buy, Sell or "" */                            \
    X(POSITION_VALUE, "position_value")                                                            \
    X(ENTRY_PRICE, "entry_price")                                                                  \
    X(WALLET, "wallet")                                                                            \
    X(SPOT_SIDE, "spot_side")                                                                      \
    /* Instruments in lists over HTTP: */                                                          \
    X(QUOTE, "quote")   /* quote coin */                                                           \
    X(TICK, "tick")     /* price step */                                                           \
    X(STATUS, "status") /* "Trading" */                                                            \
    X(PAGE, "page")     /* name of the next page, or "" */                                         \
    X(STEP, "step")     /* size step, and the smallest size */                                     \
    X(OPTION_TYPE, "option_type")

#define SIM_VALUE_ENUM(enumerator, name) SIM_##enumerator,
typedef enum sim_value_id { SIM_VALUES(SIM_VALUE_ENUM) SIM_COUNT } sim_value_id;
#undef SIM_VALUE_ENUM

/* The values from first to last are the ticker's; the account's follow. */
enum {
    SIM_TICKER_FIRST = SIM_LAST,
    SIM_TICKER_LAST = SIM_VOLUME_24H,
    SIM_ACCOUNT_LAST = SIM_SPOT_SIDE,
};

/* Lists; a template repeats a part for each of a list's items. */
#define SIM_LISTS(X)                                                                               \
    X(BIDS, "bids") /* best first: all levels, or, in a delta, the changed ones */                 \
    X(ASKS, "asks")                                                                                \
    X(LEVELS, "levels")   /* both of them */                                                       \
    X(DELETED, "deleted") /* in a delta, levels by kind of change */                               \
    X(UPDATED, "updated")                                                                          \
    X(INSERTED, "inserted")                                                                        \
    X(TRADES, "trades")           /* of the matching event; in a snapshot the last one */          \
    X(CANDLES, "candles")         /* a single one */                                               \
    X(INSTRUMENTS, "instruments") /* the served ones */

#define SIM_LIST_ENUM(enumerator, name) SIM_LIST_##enumerator,
typedef enum sim_list_id { SIM_LISTS(SIM_LIST_ENUM) SIM_LIST_COUNT } sim_list_id;
#undef SIM_LIST_ENUM

static inline sim_value sim_number(int64_t n, uint8_t places)
{
    return (sim_value){.n = n, .places = places};
}

static inline sim_value sim_text(const char *text)
{
    return (sim_value){.text = text};
}

/* For products of a price and a size, which exceed 64 bits. */
__extension__ typedef __int128 wide;

/* 10 to the power of places (0 to 18). */
static inline int64_t sim_power10(unsigned places)
{
    int64_t power = 1;
    while (places-- > 0)
        power *= 10;
    return power;
}

/* A time, ns since 1970. */
static inline sim_value sim_time(uint64_t ns)
{
    return (sim_value){.n = (int64_t)ns, .places = 9};
}

/* The names of all values and lists, in order of their ids. */
extern const template_names SIM_NAMES;

/* The values for a frame. */
typedef struct sim_source {
    sim_value *values;      /* SIM_COUNT values; next_item may change them */
    const sim_value *shown; /* the values last shown; NULL: include all optional parts */
    /* Set the values of the index-th item of a list; called with rising indexes from 0. Returns 0
     * at the end. */
    int (*next_item)(void *user, sim_list_id list, size_t index, sim_value *values);
    void *user;
} sim_source;

/* Append the frame to out, which must have space. Returns 0, with out unchanged, if the template
 * has optional parts and all were omitted. */
int sim_render(const template *t, sim_source *source, td_buf *out);

#endif
