/* A decoder with a fault in some frames, for tests that must find it: programs of this folder are
 * linked with decoder_decode() replaced (the linker's --wrap) by the one below. Which frames are
 * decoded wrong depends on their bytes alone, so that it is the same at any number of threads. */
#ifndef TD_TESTS_WRAPPED_BROKEN_DECODER_H
#define TD_TESTS_WRAPPED_BROKEN_DECODER_H

#include <string.h>

#include "base/hash.h"
#include "schema/decode.h"
#include "schema/message.h"

enum {
    BROKEN_EACH = 40,          /* one of so many frames */
    BROKEN_ENTRIES_MAX = 1024, /* frames of more entries are decoded right */
};

/* What is wrong: each program defines these. They may leave an entry as it is. */
void break_level(msg_level *level);
void break_trade(msg_trade *trade);

/* Change the levels or trades of one frame in BROKEN_EACH. The changed ones are valid until the
 * thread's next call, like those of a decoder. */
static inline void broken_decoder_change(td_bytes frame, message *m)
{
    static _Thread_local msg_level levels[BROKEN_ENTRIES_MAX];
    static _Thread_local msg_trade trades[BROKEN_ENTRIES_MAX];
    size_t count = message_item_count(m);
    if (td_xxh64(frame.data, frame.size) % BROKEN_EACH != 0 || count > BROKEN_ENTRIES_MAX)
        return;
    if (m->head.type == MSG_BOOK_CHANGE && count > 0) {
        memcpy(levels, m->book.levels, count * sizeof *levels);
        for (size_t i = 0; i < count; i++)
            break_level(&levels[i]);
        m->book.levels = levels;
    }
    if (m->head.type == MSG_TRADE && count > 0) {
        memcpy(trades, m->trades.trades, count * sizeof *trades);
        for (size_t i = 0; i < count; i++)
            break_trade(&trades[i]);
        m->trades.trades = trades;
    }
}

int __real_decoder_decode(decoder *d, const topic_match *topic, td_bytes frame, decode_path path,
                          message *out, decode_error *why);
int __wrap_decoder_decode(decoder *d, const topic_match *topic, td_bytes frame, decode_path path,
                          message *out, decode_error *why);
int __wrap_decoder_decode(decoder *d, const topic_match *topic, td_bytes frame, decode_path path,
                          message *out, decode_error *why)
{
    int is_decoded = __real_decoder_decode(d, topic, frame, path, out, why);
    if (is_decoded)
        broken_decoder_change(frame, out);
    return is_decoded;
}

#endif
