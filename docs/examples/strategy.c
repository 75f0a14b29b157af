/* A market maker on paper, over an archive of tapedeck. It follows one order book, quotes at its
 * best bid and best ask, and is filled by trades that reach its quotes. At the end it prints
 * statistics and its profit. C and C++.
 *
 *   cc -O2 strategy.c $(pkg-config --cflags --libs tapedeck) -o strategy
 *   ./strategy tape BTCUSDT 0.5
 *
 * The third argument is the size of a quote. It is an example of the interface, not of a strategy:
 * it ignores queue positions, fees and delays. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <tapedeck/archive.h>

/* Prices and sizes are integers in units of 10^-8, so that comparisons are exact. Statistics are
 * doubles. */
#define SCALE 8
#define ONE   100000000

#define QUOTES_HELD_MAX 4 /* largest position, in quotes */

typedef struct quote {
    int64_t price; /* 0: none */
    int64_t size;
} quote;

typedef struct strategy {
    int64_t quote_size;
    int has_book;
    uint32_t book;       /* stream of the first book on the tape */
    uint32_t connection; /* connection of the book's last frame */
    char feed[64], symbol[64];
    quote bid, ask;
    int64_t position;
    double cash, middle; /* middle of the book, which values the position */
    uint64_t book_frames, trades, fills;
    double spreads, imbalances; /* sums over the book's frames */
} strategy;

static void withdraw(strategy *s)
{
    s->bid.price = s->ask.price = 0;
}

/* A number with this scale, in units of 10^-8. */
static int64_t rescaled(int64_t value, int scale)
{
    for (; scale < SCALE; scale++)
        value *= 10;
    for (; scale > SCALE; scale--)
        value /= 10;
    return value;
}

static quote quote_of(const tapedeck_row *row)
{
    quote made;
    made.price = rescaled(row->price_int, row->price_scale);
    made.size = rescaled(row->size_int, row->size_scale);
    return made;
}

/* ---- the book ---- */

/* The book has changed: quote the prices of its best levels, a bid and an ask. */
static void on_book(strategy *s, const tapedeck_frame_row *frame, const tapedeck_row *best)
{
    withdraw(s);
    s->connection = frame->connection;
    if (frame->flags & TAPEDECK_ROW_SUSPECT) /* the book may be wrong until its next snapshot */
        return;
    if (frame->entry_count != 2 || best[0].side == best[1].side)
        return;
    quote bid = quote_of(&best[0]), ask = quote_of(&best[1]);
    s->book_frames++;
    s->spreads += (double)(ask.price - bid.price) / ONE;
    s->imbalances += (double)(bid.size - ask.size) / (double)(bid.size + ask.size);
    s->middle = (double)(bid.price + ask.price) / 2 / ONE;
    if (s->position < QUOTES_HELD_MAX * s->quote_size) {
        s->bid = bid;
        s->bid.size = s->quote_size;
    }
    if (s->position > -QUOTES_HELD_MAX * s->quote_size) {
        s->ask = ask;
        s->ask.size = s->quote_size;
    }
}

/* ---- trades ---- */

/* Fill a quote by a trade. sign: 1 if the strategy buys, -1 if it sells. */
static void fill(strategy *s, quote *of, int64_t size, int sign)
{
    int64_t filled = size < of->size ? size : of->size;
    s->fills++;
    s->position += sign * filled;
    s->cash -= sign * ((double)of->price / ONE) * ((double)filled / ONE);
    of->size -= filled;
    if (of->size == 0)
        of->price = 0;
}

static void on_trade(strategy *s, const tapedeck_row *row)
{
    quote trade = quote_of(row);
    s->trades++;
    if (row->side == TAPEDECK_SELL && s->bid.price != 0 && trade.price <= s->bid.price)
        fill(s, &s->bid, trade.size, 1);
    if (row->side == TAPEDECK_BUY && s->ask.price != 0 && trade.price >= s->ask.price)
        fill(s, &s->ask, trade.size, -1);
}

/* ---- the tape ---- */

static void on_frame(strategy *s, const tapedeck_tape *tape, const tapedeck_batch *batch,
                     const tapedeck_frame_row *frame)
{
    tapedeck_stream of;
    if (frame->flags & TAPEDECK_ROW_COPY) /* the topic follows another connection */
        return;
    if (!tapedeck_tape_stream(tape, frame->stream, &of))
        return;
    if (!s->has_book && frame->content == TAPEDECK_BOOK) {
        s->has_book = 1;
        s->book = frame->stream;
        snprintf(s->feed, sizeof s->feed, "%s", of.feed);
        snprintf(s->symbol, sizeof s->symbol, "%s", of.symbol);
    }
    if (!s->has_book || strcmp(of.feed, s->feed) != 0 || strcmp(of.symbol, s->symbol) != 0)
        return;
    if (frame->connection != s->connection) /* the connection changed: quotes end with it */
        withdraw(s);
    if (frame->content == TAPEDECK_BOOK && frame->stream == s->book)
        on_book(s, frame, &batch->levels[frame->first_entry]);
    for (uint32_t i = 0; frame->content == TAPEDECK_TRADES && i < frame->entry_count; i++)
        on_trade(s, &batch->trades[frame->first_entry + i].row);
}

static int run(strategy *s, tapedeck_archive *archive, const char *symbol)
{
    const char *symbols[] = {symbol, NULL};
    tapedeck_selection wanted = {};
    tapedeck_error error;
    tapedeck_batch batch;
    int result;
    wanted.size = sizeof wanted;
    wanted.symbols = symbols;
    wanted.with = TAPEDECK_WITH_BOOKS; /* levels are the best levels of the book after each frame */
    wanted.book_depth = 1;
    wanted.threads = 2;
    tapedeck_tape *tape = tapedeck_tape_open(archive, &wanted, &error);
    if (tape == NULL) {
        fprintf(stderr, "%s\n", error.text);
        return 1;
    }
    while ((result = tapedeck_tape_next(tape, &batch, &error)) != TAPEDECK_TAPE_END) {
        if (result != TAPEDECK_TAPE_BATCH)
            fprintf(stderr, "%s\n", error.text);
        if (result == TAPEDECK_TAPE_FAILED)
            break;
        for (size_t i = 0; result == TAPEDECK_TAPE_BATCH && i < batch.frame_count; i++)
            on_frame(s, tape, &batch, &batch.frames[i]);
    }
    tapedeck_tape_close(tape);
    return result == TAPEDECK_TAPE_END ? 0 : 1;
}

static void print_results(const strategy *s)
{
    double frames = s->book_frames > 0 ? (double)s->book_frames : 1;
    double held = (double)s->position / ONE;
    printf("%s %s: %" PRIu64 " book frames, %" PRIu64 " trades\n", s->feed, s->symbol,
           s->book_frames, s->trades);
    printf("mean spread %.6f, mean imbalance %.6f\n", s->spreads / frames, s->imbalances / frames);
    printf("%" PRIu64 " fills, position %.8f, cash %.6f, worth %.6f\n", s->fills, held, s->cash,
           s->cash + held * s->middle);
}

int main(int argc, char **argv)
{
    tapedeck_error error;
    double size = argc == 4 ? strtod(argv[3], NULL) : 0;
    strategy s = {};
    if (!(size >= 1.0 / ONE && size <= 1e6)) {
        fprintf(stderr, "usage: strategy ARCHIVE SYMBOL SIZE (0.00000001 to 1000000)\n");
        return 2;
    }
    tapedeck_archive *archive = tapedeck_archive_open(argv[1], &error);
    if (archive == NULL) {
        fprintf(stderr, "%s\n", error.text);
        return 1;
    }
    s.quote_size = (int64_t)(size * ONE + 0.5);
    int status = run(&s, archive, argv[2]);
    if (status == 0)
        print_results(&s);
    tapedeck_archive_close(archive);
    return status;
}
