/* The volume-weighted price of each symbol's trades in an archive of tapedeck, and whether any
 * trades may be missing. C and C++.
 *
 *   cc vwap.c $(pkg-config --cflags --libs tapedeck) -o vwap
 *   ./vwap tape BTCUSDT */
#include <inttypes.h>
#include <stdio.h>

#include <tapedeck/archive.h>

static int list_topics(tapedeck_archive *archive)
{
    const tapedeck_topic *topics;
    tapedeck_error error;
    size_t count;
    if (!tapedeck_archive_topics(archive, &topics, &count, &error)) {
        fprintf(stderr, "%s\n", error.text);
        return 1;
    }
    for (size_t i = 0; i < count; i++)
        printf("%s %s %s: %" PRIu64 " frames\n", topics[i].feed, topics[i].topic, topics[i].symbol,
               topics[i].frames);
    return 0;
}

static int print_vwap(tapedeck_archive *archive, const char *symbol)
{
    const char *symbols[] = {symbol, NULL};
    tapedeck_selection wanted = {};
    tapedeck_error error;
    tapedeck_batch batch;
    tapedeck_gap gap;
    double turnover = 0, volume = 0;
    int is_whole = 1, result;
    size_t at = 0;
    wanted.size = sizeof wanted;
    wanted.symbols = symbols;
    wanted.threads = 2;
    tapedeck_tape *tape = tapedeck_tape_open(archive, &wanted, &error);
    if (tape == NULL) {
        fprintf(stderr, "%s\n", error.text);
        return error.code == TAPEDECK_ERROR_NOT_FOUND ? 2 : 1;
    }
    while ((result = tapedeck_tape_next(tape, &batch, &error)) != TAPEDECK_TAPE_END) {
        if (result == TAPEDECK_TAPE_FAILED)
            break;
        if (result == TAPEDECK_TAPE_DAMAGED) { /* reading continues after it */
            fprintf(stderr, "%s\n", error.text);
            is_whole = 0;
        }
        for (size_t i = 0; i < batch.trade_count; i++) {
            const tapedeck_row *trade = &batch.trades[i].row;
            if (trade->flags & TAPEDECK_ROW_COPY)
                continue; /* the topic follows another connection */
            turnover += trade->price * trade->size;
            volume += trade->size;
        }
    }
    while (tapedeck_tape_gap(tape, &at, &gap)) {
        fprintf(stderr, "gap: %s %s\n", gap.feed, gap.reason);
        is_whole = 0;
    }
    if (result == TAPEDECK_TAPE_END && volume > 0)
        printf("%s %.4f, %s\n", symbol, turnover / volume, is_whole ? "whole" : "not whole");
    else if (result != TAPEDECK_TAPE_END)
        fprintf(stderr, "%s\n", error.text);
    tapedeck_tape_close(tape);
    return result == TAPEDECK_TAPE_END ? 0 : 1;
}

int main(int argc, char **argv)
{
    tapedeck_error error;
    tapedeck_archive *archive = argc > 1 ? tapedeck_archive_open(argv[1], &error) : NULL;
    if (archive == NULL) {
        fprintf(stderr, "%s\n", argc > 1 ? error.text : "usage: vwap ARCHIVE [SYMBOL]...");
        return 1;
    }
    int status = argc == 2 ? list_topics(archive) : 0;
    for (int i = 2; i < argc && status == 0; i++)
        status = print_vwap(archive, argv[i]);
    tapedeck_archive_close(archive);
    return status;
}
