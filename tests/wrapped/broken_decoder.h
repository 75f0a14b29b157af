/* A decoder that is wrong for some frames, for tests that must detect it: programs in this folder
 * are linked with decoder_decode() replaced (the linker's --wrap) by the one below. Which frames
 * are decoded wrong depends only on their bytes, so it is the same for any number of threads. */
#ifndef TD_TESTS_WRAPPED_BROKEN_DECODER_H
#define TD_TESTS_WRAPPED_BROKEN_DECODER_H

#include <string.h>

#include "base/hash.h"
#include "schema/decode.h"
#include "schema/message.h"

enum {
    BROKEN_EACH = 40,          /* one of this many frames */
    BROKEN_ENTRIES_MAX = 1024, /* frames with more entries are decoded correctly */
};

/* Break an entry; each program defines these. They may leave it unchanged. */
void break_level(msg_level *level);
void break_trade(msg_trade *trade);

/* Changes the levels or trades of one frame in BROKEN_EACH. Changed ones are valid until the
 * thread's next call, like a decoder's. */
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

/* The linker's names for the real function and its replacement. */
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
