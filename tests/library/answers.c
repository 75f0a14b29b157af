/* A program for tests: what a C program reads from an archive (tapedeck/archive.h). usage: answers
 * ARCHIVE SYMBOL; prints the number of trades, then a line for each change of a book's best prices
 * while its frames are not suspect: receive time, exchange time, bid, bid size, ask, ask size. An
 * absent side is "- -". Last, how many rows of frames are suspect. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <tapedeck/archive.h>
#include <tapedeck/plugin.h>

enum { BEST_BYTES = 128 };

/* Write the best level of a side. */
static void add_best(const tapedeck_batch *batch, const tapedeck_frame_row *frame, uint8_t side,
                     char best[BEST_BYTES])
{
    const size_t used = strlen(best);
    for (size_t i = 0; i < frame->entry_count; i++) {
        const tapedeck_row *level = &batch->levels[frame->first_entry + i];
        if (level->side != side)
            continue;
        snprintf(best + used, BEST_BYTES - used, " %.17g %.17g", level->price, level->size);
        return;
    }
    snprintf(best + used, BEST_BYTES - used, " - -");
}

int main(int argc, char **argv)
{
    tapedeck_error error = {0};
    tapedeck_archive *archive = argc == 3 ? tapedeck_archive_open(argv[1], &error) : NULL;
    const char *symbols[] = {argc == 3 ? argv[2] : NULL, NULL};
    const tapedeck_selection all = {.size = sizeof all,
                                    .symbols = symbols,
                                    .with = TAPEDECK_WITH_COVERAGE | TAPEDECK_WITH_BOOKS,
                                    .book_depth = 1};
    tapedeck_tape *tape = archive == NULL ? NULL : tapedeck_tape_open(archive, &all, &error);
    tapedeck_batch batch;
    size_t trades = 0, suspect = 0;
    char last[BEST_BYTES] = "";
    int result = tape == NULL ? TAPEDECK_TAPE_FAILED : TAPEDECK_TAPE_BATCH;
    while (result == TAPEDECK_TAPE_BATCH || result == TAPEDECK_TAPE_DAMAGED) {
        result = tapedeck_tape_next(tape, &batch, &error);
        for (size_t i = 0; result == TAPEDECK_TAPE_BATCH && i < batch.frame_count; i++) {
            const tapedeck_frame_row *frame = &batch.frames[i];
            const int is_used = (frame->flags & TAPEDECK_ROW_COPY) == 0;
            char best[BEST_BYTES] = "";
            suspect += is_used && (frame->flags & TAPEDECK_ROW_SUSPECT) != 0;
            trades += is_used && frame->content == TAPEDECK_TRADES ? frame->entry_count : 0;
            if (!is_used || frame->content != TAPEDECK_BOOK ||
                (frame->flags & TAPEDECK_ROW_SUSPECT) != 0)
                continue;
            add_best(&batch, frame, TAPEDECK_BUY, best);
            add_best(&batch, frame, TAPEDECK_SELL, best);
            if (strcmp(best, last) == 0)
                continue;
            strcpy(last, best);
            const uint64_t exchange_ns = frame->entry_count > 0
                                             ? batch.levels[frame->first_entry].exchange_ns
                                             : frame->exchange_ns;
            printf("%" PRIu64 " %" PRIu64 "%s\n", frame->recv_ns, exchange_ns, best);
        }
    }
    if (result != TAPEDECK_TAPE_END && strcmp(error.text, "") != 0)
        printf("error %s\n", error.text);
    printf("trades %zu suspect %zu\n", trades, suspect);
    tapedeck_tape_close(tape);
    tapedeck_archive_close(archive);
    return 0;
}
