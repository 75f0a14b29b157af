/* A plugin for `tapedeck replay`: a market maker on paper. It follows one order book, quotes its
 * best bid and its best ask, and is filled by the trades that reach its quotes. At the end it
 * prints what it saw and what it made.
 *
 *   cc -O2 -shared -fPIC strategy.c $(pkg-config --cflags tapedeck) -o strategy.so
 *   tapedeck replay tape --symbol BTCUSDT --sink plugin=./strategy.so,0.5
 *
 * The argument is the size of a quote (default: 1). It is an example of an interface, not of a
 * strategy: it takes no account of its place in the queue, of fees, or of delays. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <tapedeck/plugin.h>

/* Prices and sizes are kept as whole numbers of 10^-8, so that comparisons are exact. Statistics
 * are doubles. */
enum { SCALE = 8 };
#define ONE 100000000

enum { QUOTES_HELD_MAX = 4 }; /* it does not hold more than so many quotes */

typedef struct quote {
    int64_t price; /* 0: none */
    int64_t size;
} quote;

typedef struct strategy {
    const tapedeck_host *host;
    int64_t quote_size;

    const tapedeck_book *book; /* the first one of the replay; NULL: none yet */
    char feed[64], symbol[64]; /* of it */
    quote bid, ask;
    int64_t position;
    double cash, middle; /* middle of the book, to value the position with */
    uint64_t book_frames, trades, fills;
    double spreads, imbalances; /* sums over the book's frames */
} strategy;

static void withdraw(strategy *s)
{
    s->bid = s->ask = (quote){0};
}

/* ---- the book ---- */

static int best_of(const strategy *s, uint32_t side, quote *out)
{
    tapedeck_book_level best;
    return s->host->book_levels(s->book, side, 0, 1, &best) == 1 &&
           s->host->decimal_at_scale(best.price, SCALE, &out->price) &&
           s->host->decimal_at_scale(best.size, SCALE, &out->size);
}

/* The book has changed: look at it, and quote its best prices. */
static void on_book(strategy *s)
{
    quote bid, ask;
    withdraw(s);
    if (s->host->book_is_broken(s->book)) /* frames are missing: until its next snapshot */
        return;
    if (!best_of(s, TAPEDECK_BUY, &bid) || !best_of(s, TAPEDECK_SELL, &ask))
        return;
    s->book_frames++;
    s->spreads += (double)(ask.price - bid.price) / ONE;
    s->imbalances += (double)(bid.size - ask.size) / (double)(bid.size + ask.size);
    s->middle = (double)(bid.price + ask.price) / 2 / ONE;
    if (s->position < QUOTES_HELD_MAX * s->quote_size)
        s->bid = (quote){bid.price, s->quote_size};
    if (s->position > -QUOTES_HELD_MAX * s->quote_size)
        s->ask = (quote){ask.price, s->quote_size};
}

/* ---- trades ---- */

/* Take what a trade gives. sign: 1 if we buy, -1 if we sell. */
static void fill(strategy *s, quote *of, int64_t size, int sign)
{
    int64_t filled = size < of->size ? size : of->size;
    s->fills++;
    s->position += sign * filled;
    s->cash -= sign * ((double)of->price / ONE) * ((double)filled / ONE);
    of->size -= filled;
    if (of->size == 0)
        *of = (quote){0};
}

static void on_trade(strategy *s, const tapedeck_trade *trade)
{
    int64_t price, size;
    s->trades++;
    if (!s->host->decimal_at_scale(trade->price, SCALE, &price) ||
        !s->host->decimal_at_scale(trade->size, SCALE, &size))
        return;
    if (trade->side == TAPEDECK_SELL && s->bid.price != 0 && price <= s->bid.price)
        fill(s, &s->bid, size, 1);
    if (trade->side == TAPEDECK_BUY && s->ask.price != 0 && price >= s->ask.price)
        fill(s, &s->ask, size, -1);
}

/* ---- the interface ---- */

static int on_begin(const tapedeck_host *host, const char *argument, void **self)
{
    double size = argument[0] == '\0' ? 1 : strtod(argument, NULL);
    if (!(size >= 1.0 / ONE && size <= 1e6))
        return host->fail(host, "the size of a quote is a number from 0.00000001 to 1000000");
    strategy *s = calloc(1, sizeof *s);
    if (s == NULL)
        return host->fail(host, "no memory");
    s->host = host;
    s->quote_size = (int64_t)(size * ONE + 0.5);
    *self = s;
    return TAPEDECK_GO;
}

static int on_frame(void *self, const tapedeck_frame *frame)
{
    strategy *s = self;
    tapedeck_trade trade;
    if (s->book == NULL && frame->book != NULL) {
        s->book = frame->book;
        snprintf(s->feed, sizeof s->feed, "%s", frame->feed);
        snprintf(s->symbol, sizeof s->symbol, "%s", frame->symbol);
    }
    if (frame->book != NULL && frame->book == s->book)
        on_book(s);
    if (frame->content == TAPEDECK_TRADES && strcmp(frame->feed, s->feed) == 0 &&
        strcmp(frame->symbol, s->symbol) == 0) {
        for (size_t i = 0; s->host->trade(frame, i, &trade); i++)
            on_trade(s, &trade);
    }
    return TAPEDECK_GO;
}

/* Without a connection there are no quotes; the book is a new one afterwards. */
static int on_event(void *self, const tapedeck_event *event)
{
    strategy *s = self;
    if (strcmp(event->kind, "disconnect") == 0 && strcmp(event->feed, s->feed) == 0)
        withdraw(s);
    return TAPEDECK_GO;
}

static int on_end(void *self, const tapedeck_result *result)
{
    strategy *s = self;
    double frames = s->book_frames > 0 ? (double)s->book_frames : 1;
    double held = (double)s->position / ONE;
    if (result->outcome != TAPEDECK_FAILED) {
        printf("%s %s: %" PRIu64 " book frames, %" PRIu64 " trades\n", s->feed, s->symbol,
               s->book_frames, s->trades);
        printf("mean spread %.6f, mean imbalance %.6f\n", s->spreads / frames,
               s->imbalances / frames);
        printf("%" PRIu64 " fills, position %.8f, cash %.6f, worth %.6f\n", s->fills, held, s->cash,
               s->cash + held * s->middle);
    }
    free(s);
    return TAPEDECK_GO;
}

const struct tapedeck_plugin tapedeck_plugin = {
    .abi = TAPEDECK_PLUGIN_ABI,
    .size = sizeof tapedeck_plugin,
    .name = "paper market maker",
    .begin = on_begin,
    .frame = on_frame,
    .event = on_event,
    .end = on_end,
};
