/* The interface of decoders for `tapedeck regress --decoder FILE.so`: a shared object that decodes
 * frames in place of the built-in decoder. docs/decoders.md explains it, and the one for programs
 * in other languages; docs/examples/decoder.c is a complete decoder.
 *
 * A decoder exports one symbol, the struct `tapedeck_decoder` (at the end of this file):
 *
 *   #include <tapedeck/decoder.h>
 *   static void decode(void *self, const tapedeck_decoder_frame *frame,
 *                      tapedeck_decoder_output *to) { ... }
 *   const struct tapedeck_decoder tapedeck_decoder = {
 *       .abi = TAPEDECK_DECODER_ABI, .size = sizeof tapedeck_decoder, .name = "mine",
 *       .decode = decode};
 *
 *   cc -shared -fPIC mine.c $(pkg-config --cflags tapedeck) -o mine.so
 *
 * Processes: tapedeck loads it in child processes, one for each thread that decodes, never in its
 * own. A decoder that crashes, hangs or exits fails at the frame that it has, and a new process
 * continues; a C++ exception that leaves a function is a crash. Each process calls these functions
 * on one thread, one at a time: they need no locks. The answer to a frame must
 * depend on that frame alone: frames come in batches, not always in order, some twice, and
 * different ones in each process.
 *
 * Names of members and what their values mean: docs/export.md ("JSON lines") and
 * `tapedeck topics --json`.
 *
 * Views: what a pointer points to is valid during the call, unless documented otherwise. Texts
 * named `const char *` are NUL-terminated; a tapedeck_decoder_text has a size and no NUL.
 *
 * Stability: TAPEDECK_DECODER_ABI changes only if a decoder has to be compiled again; a decoder of
 * another version is refused. Until then structs that state their own size grow at their end, and
 * nothing else changes. A decoder of an older header works with a newer program. One of a newer
 * header works with an older program if it checks with TAPEDECK_DECODER_HAS before it uses what
 * older programs lack. */
#ifndef TAPEDECK_DECODER_H
#define TAPEDECK_DECODER_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define TAPEDECK_DECODER_ABI 1u

/* 1 if the program that runs has this member of one of its structs:
 * TAPEDECK_DECODER_HAS(host, tapedeck_decoder_host, fail). */
#define TAPEDECK_DECODER_HAS(pointer, type, member)                                                \
    ((pointer)->size >= offsetof(type, member) + sizeof(((type *)0)->member))

/* What open returns. Anything else counts as TAPEDECK_DECODER_FAIL. */
enum {
    TAPEDECK_DECODER_GO = 0,
    TAPEDECK_DECODER_FAIL = 1, /* it cannot work; host->fail gives it a text */
};

/* Bytes, not NUL-terminated. data may be NULL if size is 0. */
typedef struct tapedeck_decoder_text {
    const char *data;
    size_t size;
} tapedeck_decoder_text;

/* A frame to decode. It and all that it points to are valid until decode, or decode_batch, returns.
 */
typedef struct tapedeck_decoder_frame {
    size_t size;                          /* of this struct in the program that runs */
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
 * Nothing is returned: an unknown name, a value that cannot be read or a misplaced call makes the
 * whole answer invalid, which is reported with the frame and the first error. A frame for which
 * none of them is called is a message without entries.
 *
 * Call them only from within decode and decode_batch, and only for the outputs given to these. */
typedef struct tapedeck_decoder_calls {
    size_t size; /* of this struct in the program that runs */

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

/* Functions of the program for open. The struct is valid until close returns. */
typedef struct tapedeck_decoder_host tapedeck_decoder_host;
struct tapedeck_decoder_host {
    uint32_t abi;
    uint32_t reserved;
    size_t size;         /* of this struct in the program that runs */
    const char *version; /* of the program: "0.1.0" */
    void *own;           /* the program's own */

    /* Give an error of open its text (copied; one line), and return TAPEDECK_DECODER_FAIL:
     *   return host->fail(host, "cannot read symbols.csv"); */
    int (*fail)(const tapedeck_decoder_host *host, const char *text);
};

/* A decoder. Members that are not set (NULL) are not called; decode must be set. */
struct tapedeck_decoder {
    uint32_t abi; /* TAPEDECK_DECODER_ABI */
    uint32_t reserved;
    size_t size;      /* sizeof (struct tapedeck_decoder) */
    const char *name; /* in reports (--json): "mine 1.2" */

    /* Once in each process, before the other functions, to which *self is passed; NULL before.
     * TAPEDECK_DECODER_GO, or _FAIL, which ends the run; close is not called after that. Processes
     * are started during the run, too. At most 30 s. */
    int (*open)(const tapedeck_decoder_host *host, void **self);

    /* Decode one frame. At most --timeout. */
    void (*decode)(void *self, const tapedeck_decoder_frame *frame, tapedeck_decoder_output *to);

    /* Decode count frames, 1 or more, frames[i] into to[i], in any order, in place of decode. At
     * most --timeout for all of them. */
    void (*decode_batch)(void *self, const tapedeck_decoder_frame *const *frames,
                         tapedeck_decoder_output *const *to, size_t count);

    /* The last call in a process that ends without a failure. After 2 s the process is killed. */
    void (*close)(void *self);
};

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
