/* A decoder of your own, as a shared object for `tapedeck regress --decoder FILE.so`.
 *
 * The shared object exports one object, tapedeck_decoder: a table of functions. tapedeck loads it
 * in child processes, one for each thread that decodes, never in its own: a decoder may crash, hang
 * or exit, and is then started afresh. Each process has one thread that calls these functions, so
 * that they need no locks. What a decoder answers about a frame must depend on that frame alone:
 * frames come in batches, not always in order, some twice, and different ones in each process.
 *
 * Names of members and what their values mean: docs/export.md ("JSON lines") and
 * `tapedeck topics --json`. docs/examples/decoder.c is a complete decoder; docs/decoders.md
 * explains this interface and the one for programs in other languages.
 *
 * Build: cc -shared -fPIC -o mine.so mine.c `pkg-config --cflags tapedeck` */
#ifndef TAPEDECK_DECODER_H
#define TAPEDECK_DECODER_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Version of this interface. A decoder with another one is refused. Within a version structs only
 * grow at their ends: size is that of the struct which the other side was built with. The structs
 * of frames and texts stay as they are, because decode_batch gets an array of frames. */
#define TAPEDECK_DECODER_ABI 1u

/* Bytes, not NUL-terminated. data may be NULL if size is 0. */
typedef struct tapedeck_decoder_text {
    const char *data;
    size_t size;
} tapedeck_decoder_text;

/* A frame to decode. It and all that it points to are tapedeck's, and valid until the function that
 * got it returns. */
typedef struct tapedeck_decoder_frame {
    size_t size;                          /* of this struct */
    tapedeck_decoder_text feed;           /* its name in the archive */
    tapedeck_decoder_text family;         /* "inverse", "v5-linear" … */
    tapedeck_decoder_text topic;          /* without the symbol: "orderBookL2_25" */
    tapedeck_decoder_text symbol;         /* "BTCUSD"; empty: none; "*": entries name several */
    tapedeck_decoder_text exchange_topic; /* as it stands in frames; empty if that is not known */
    tapedeck_decoder_text type;           /* of the topic's messages: "book_change", "trade" …;
                                             empty: tapedeck has no row for the topic */
    uint64_t recv_ns;                     /* when it was received, in ns since 1970 (UTC) */
    uint32_t opcode;                      /* 1: text; 2: binary (RFC 6455) */
    tapedeck_decoder_text bytes;          /* of the frame; 64 bytes after it are readable */
} tapedeck_decoder_frame;

/* Where the answer about one frame goes: to->calls->level(to, …). */
typedef struct tapedeck_decoder_output {
    const struct tapedeck_decoder_calls *calls;
    /* tapedeck's own members follow */
} tapedeck_decoder_output;

/* The functions that a decoder answers with: a message is its head and its entries, in their order.
 * Texts are copied before a function returns. Numbers are texts: "60591.50", "-1", "1e-7", exact
 * and of any scale; times are whole ns since 1970, sides "Buy", "Sell" or "none", booleans "true"
 * or "false", what has no fixed fields is JSON. An empty text: the member is absent.
 *
 * Nothing is returned: a wrong name, a value that cannot be read or a call out of place makes the
 * whole answer a wrong one, which is reported with the frame and the text of the first fault. A
 * frame for which none of them is called is a message without entries.
 *
 * Only from within decode and decode_batch, and only for the outputs that these were given. */
typedef struct tapedeck_decoder_calls {
    size_t size; /* of this struct */

    /* A member of the message itself: "kind" ("snapshot", "delta"; absent: neither), "exchange_ns",
     * "cross_seq", "u", "seq", and the others of the topic. "type", "topic" and "symbol" may be
     * left out; where they are given they must be the frame's. Before, between or after the
     * entries. */
    void (*head)(tapedeck_decoder_output *to, tapedeck_decoder_text name,
                 tapedeck_decoder_text value);

    /* A level of an order book, which is the entry from now on. action: "set", "insert", "update"
     * or "delete"; a deleted level's size may be empty. */
    void (*level)(tapedeck_decoder_output *to, tapedeck_decoder_text action,
                  tapedeck_decoder_text side, tapedeck_decoder_text price,
                  tapedeck_decoder_text size);

    /* A trade, which is the entry from now on. side: the taker's. exchange_ns: 0 if it has no time
     * of its own. */
    void (*trade)(tapedeck_decoder_output *to, tapedeck_decoder_text side,
                  tapedeck_decoder_text price, tapedeck_decoder_text size, uint64_t exchange_ns,
                  tapedeck_decoder_text trade_id);

    /* An entry of a message of any type, without members yet. action: as of levels; empty: none. */
    void (*item)(tapedeck_decoder_output *to, tapedeck_decoder_text action);

    /* A member of the entry: "rpi_size" of a level, "tick_direction" of a trade, "last_price" of a
     * ticker. */
    void (*value)(tapedeck_decoder_output *to, tapedeck_decoder_text name,
                  tapedeck_decoder_text value);

    /* The frame cannot be decoded; why, as a line of text. Earlier calls for it are dropped. A text
     * that begins with one of tapedeck's own reasons (docs/decoders.md) followed by nothing or a
     * colon ("missing_field: data") counts as that reason, and any other as "refused". */
    void (*fail)(tapedeck_decoder_output *to, tapedeck_decoder_text why);
} tapedeck_decoder_calls;

/* What a decoder is opened with; valid until it is closed. */
typedef struct tapedeck_decoder_host {
    size_t size;         /* of this struct */
    const char *version; /* of tapedeck */
} tapedeck_decoder_host;

/* The decoder. */
struct tapedeck_decoder {
    uint32_t abi;     /* TAPEDECK_DECODER_ABI */
    size_t size;      /* sizeof tapedeck_decoder */
    const char *name; /* in reports: "mine 1.2" */

    /* Called once, before anything else. *self is passed to the other functions. 0, or another
     * value with a line in why (why_bytes of it, NUL-terminated): then nothing else is called. May
     * be NULL. */
    int (*open)(const tapedeck_decoder_host *host, void **self, char *why, size_t why_bytes);

    /* Decode one frame. */
    void (*decode)(void *self, const tapedeck_decoder_frame *frame, tapedeck_decoder_output *to);

    /* Decode count frames, 1 or more, each into its own output, in any order. NULL: decode is
     * called for each. */
    void (*decode_batch)(void *self, const tapedeck_decoder_frame *frames,
                         tapedeck_decoder_output *const *to, size_t count);

    /* Called last, unless the process was killed. May be NULL. */
    void (*close)(void *self);
};

/* What a shared object exports. */
#if defined(__GNUC__)
__attribute__((visibility("default")))
#endif
extern const struct tapedeck_decoder tapedeck_decoder;

/* A text of a C string. */
static inline tapedeck_decoder_text tapedeck_decoder_text_of(const char *text)
{
    tapedeck_decoder_text made = {text, 0};
    while (text != NULL && text[made.size] != '\0')
        made.size++;
    return made;
}

#ifdef __cplusplus
}
#endif

#endif
