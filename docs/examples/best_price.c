/* The decoders and order books of tapedeck in a program of your own: reads frames from stdin, one
 * per line; prints the best bid and ask after each book frame.
 *
 *   cc best_price.c $(pkg-config --cflags --libs tapedeck) -o best_price
 *   tapedeck cat tape --raw --topic orderbook.50 --symbol BTCUSDT | ./best_price v5-linear */
#include <stdio.h>
#include <string.h>

#include <tapedeck/tapedeck.h>

static void print_best(const tapedeck_host *host, const tapedeck_book *book)
{
    tapedeck_book_level bid, ask;
    char prices[2][TAPEDECK_DECIMAL_BYTES];
    if (host->book_levels(book, TAPEDECK_BUY, 0, 1, &bid) == 0 ||
        host->book_levels(book, TAPEDECK_SELL, 0, 1, &ask) == 0)
        return;
    host->decimal_format(bid.price, prices[0]);
    host->decimal_format(ask.price, prices[1]);
    printf("%s %s\n", prices[0], prices[1]);
}

int main(int argc, char **argv)
{
    static char line[1 << 20];
    tapedeck_reader *reader = tapedeck_reader_open(argc > 1 ? argv[1] : "v5-linear", 0);
    if (reader == NULL)
        return 1;
    const tapedeck_host *host = tapedeck_reader_host(reader);
    while (fgets(line, sizeof line, stdin) != NULL) {
        const tapedeck_frame *frame = tapedeck_reader_decode(reader, line, strcspn(line, "\n"), 0);
        tapedeck_rule rule;
        if (frame->content == TAPEDECK_UNDECODED)
            fprintf(stderr, "not decoded: %s\n", frame->reason);
        if (frame->verdict == TAPEDECK_VIOLATION && host->rule(frame, 0, &rule))
            fprintf(stderr, "broken rule: %s\n", rule.name);
        if (frame->content == TAPEDECK_BOOK)
            print_best(host, frame->book);
    }
    tapedeck_reader_close(reader);
    return 0;
}
