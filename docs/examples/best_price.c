/* The decoders and order books of tapedeck in a program of your own: frames on stdin, one a line;
 * for each book frame the best bid and ask on stdout.
 *
 *   cc best_price.c $(pkg-config --cflags --libs --static tapedeck) -o best_price
 *   tapedeck cat tape --raw --topic orderBookL2_25 --symbol BTCUSD | ./best_price inverse */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "book/continuity.h"
#include "schema/decode.h"

enum { LINE_BYTES = 1 << 20 };

static void print_best(const book *b)
{
    book_level bid, ask;
    char prices[2][TD_DECIMAL_TEXT_BYTES];
    if (!book_level_at(b, SIDE_BUY, 0, &bid) || !book_level_at(b, SIDE_SELL, 0, &ask))
        return;
    td_decimal_format(bid.price, prices[0]);
    td_decimal_format(ask.price, prices[1]);
    printf("%s %s\n", prices[0], prices[1]);
}

int main(int argc, char **argv)
{
    const family *exchange = family_find(td_bytes_str(argc > 1 ? argv[1] : "inverse"));
    char *line = malloc(LINE_BYTES + DECODE_PADDING_BYTES);
    decoder *reader = decoder_open();
    track *topic = NULL; /* this example follows one topic of one symbol */
    td_err err;
    if (exchange == NULL || line == NULL)
        return 1;
    while (fgets(line, LINE_BYTES, stdin) != NULL) {
        td_bytes frame = td_bytes_of(line, strcspn(line, "\n"));
        classification found;
        message decoded;
        decode_error why;
        verdict judged;
        decoder_classify(reader, exchange, frame, DIR_IN, TOPIC_NOW, &found);
        if (found.topic.row == NULL || found.topic.row->type != MSG_BOOK_CHANGE)
            continue;
        if (topic == NULL)
            topic = track_open(found.topic.row);
        if (!decoder_decode(reader, &found.topic, frame, DECODE_PATH_FAST, &decoded, &why)) {
            fprintf(stderr, "byte %zu: %s\n", why.offset, decode_reason_name(why.reason));
            continue;
        }
        track_apply(topic, &decoded, &judged);
        if (verdict_violation(&judged) != NULL)
            fprintf(stderr, "broken rule: %s\n", rule_name(verdict_violation(&judged)->rule));
        print_best(track_book(topic));
    }
    track_close(topic);
    decoder_close(reader);
    free(line);
    return 0;
}
