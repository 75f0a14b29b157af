/* Prints the trades of a symbol while they are recorded, until the recorder ends. C and C++.
 *
 *   cc follow.c $(pkg-config --cflags --libs tapedeck) -o follow
 *   ./follow tape BTCUSDT
 *
 * Exit status: 0 the recorder ended; 1 an error; 3 it was killed; 4 no frame for a minute. */
#include <inttypes.h>
#include <stdio.h>

#include <tapedeck/archive.h>

static void print_trades(const tapedeck_batch *batch)
{
    for (size_t i = 0; i < batch->trade_count; i++) {
        const tapedeck_row *trade = &batch->trades[i].row;
        if (!(trade->flags & TAPEDECK_ROW_COPY)) /* the topic follows another connection */
            printf("%" PRIu64 " %.10g %.10g\n", trade->recv_ns, trade->price, trade->size);
    }
    fflush(stdout);
}

static int follow(tapedeck_tape *tape)
{
    tapedeck_error error;
    tapedeck_batch batch;
    int result;
    for (;;) {
        while ((result = tapedeck_tape_next(tape, &batch, &error)) == TAPEDECK_TAPE_BATCH)
            print_trades(&batch);
        if (result == TAPEDECK_TAPE_DAMAGED) { /* reading continues after it */
            fprintf(stderr, "%s\n", error.text);
            continue;
        }
        if (result == TAPEDECK_TAPE_END)
            result = tapedeck_tape_wait(tape, 60000, &error);
        if (result == TAPEDECK_WAIT_MORE)
            continue;
        if (result == TAPEDECK_WAIT_ENDED)
            return 0;
        fprintf(stderr, "%s\n",
                result == TAPEDECK_WAIT_CRASHED   ? "the recorder was killed"
                : result == TAPEDECK_WAIT_TIMEOUT ? "no frame for a minute"
                                                  : error.text);
        return result == TAPEDECK_WAIT_CRASHED ? 3 : result == TAPEDECK_WAIT_TIMEOUT ? 4 : 1;
    }
}

int main(int argc, char **argv)
{
    tapedeck_error error;
    tapedeck_selection wanted = {};
    int status = 1;
    if (argc != 3) {
        fprintf(stderr, "usage: %s ARCHIVE SYMBOL\n", argv[0]);
        return 2;
    }
    const char *symbols[] = {argv[2], NULL};
    wanted.size = sizeof wanted;
    wanted.symbols = symbols;
    wanted.with = TAPEDECK_WITH_FOLLOW;
    tapedeck_archive *archive = tapedeck_archive_open(argv[1], &error);
    tapedeck_tape *tape = archive == NULL ? NULL : tapedeck_tape_open(archive, &wanted, &error);
    if (tape == NULL)
        fprintf(stderr, "%s\n", error.text);
    else
        status = follow(tape);
    tapedeck_tape_close(tape);
    tapedeck_archive_close(archive);
    return status;
}
