/* The properties of an exchange, as a row: hosts besides its families' addresses, how often a
 * client may connect, and how control frames differ from data. The row is read from the exchange's
 * document (schema/exchange_file.h, docs/families.md); its families and their topics are documents
 * of their own. */
#ifndef TD_SCHEMA_EXCHANGE_H
#define TD_SCHEMA_EXCHANGE_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/bytes.h"
#include "schema/topic.h"

/* ---- what a frame is ---- */

typedef enum frame_class {
    CLASS_DATA, /* a frame of a topic; topic.row is NULL if the family has no row for it */
    CLASS_ACK,  /* answer to subscribe or unsubscribe */
    CLASS_AUTH, /* answer to auth */
    CLASS_PING, /* the server's own ping */
    CLASS_PONG,
    CLASS_ERROR,   /* a refusal that names no known request */
    CLASS_REQUEST, /* outbound */
    CLASS_UNKNOWN, /* anything else */
} frame_class;

/* 1 for classes that belong to a feed's _control channel. */
static inline int frame_class_is_control(frame_class c)
{
    return c != CLASS_DATA && c != CLASS_UNKNOWN;
}

/* A text and its length, as an initializer in a row. */
#define FRAME_TEXT(text)                                                                           \
    {                                                                                              \
        (const uint8_t *)(text), sizeof(text) - 1                                                  \
    }

enum {
    FRAME_KEYS_MAX = 24,
    FRAME_KEY_BYTES_MAX = 12,
    FRAME_KEY_NONE = FRAME_KEYS_MAX, /* no key */
};

/* The keys of frame_keys that an exchange may lack, as initializers. */
#define FRAME_KEYS_ABSENT                                                                          \
    .topic = FRAME_KEY_NONE, .data = FRAME_KEY_NONE, .event = FRAME_KEY_NONE,                      \
    .event_time = FRAME_KEY_NONE, .op = FRAME_KEY_NONE, .request = FRAME_KEY_NONE,                 \
    .shared = FRAME_KEY_NONE

/* How an answer shows whether its request succeeded. */
typedef enum success_form {
    SUCCESS_NOT_STATED, /* no member shows it: an ack is success, an error failure */
    SUCCESS_WORD,       /* by a word, as text or as a JSON literal (true): one of success_words or
                           failure_words */
    SUCCESS_CODE, /* by a code: 0, as a number or text, is success; anything else is failure */
} success_form;

/* How a control frame is recognized. The first matching rule of an exchange decides. */
typedef struct control_rule {
    uint8_t key;           /* the frame has this member */
    td_bytes text;         /* and this member has this text (empty: any text) */
    td_bytes op;           /* and the frame names this request (empty: any request, or none) */
    frame_class is;        /* then the frame has this class */
    frame_class if_failed; /* its class if the frame shows that the request failed */
    uint8_t success_key;   /* number of the member that shows success */
    success_form success;
    uint8_t is_about_orders; /* 1: the answer concerns no topic */
    uint8_t is_notice;       /* 1: the server sends it of its own accord, to inform its clients */
} control_rule;

/* How a bare frame (schema/bare_frame.h) names its topic. The first rule that fits decides. */
typedef struct bare_rule {
    const char *key;  /* path of a member */
    const char *text; /* which has this text; "*": any value */
    const char *form; /* the topic as frames spell it: {PATH} is the value there; "*" at the end: a
                         part that the frame does not have */
} bare_rule;

/* The members by which a frame is classified. A key's number is its index in names. */
typedef struct frame_keys {
    const td_bytes *names; /* sorted by size, the shortest first */
    uint8_t count;
    /* By size: the number of the first key of that size; the keys of the next size follow. */
    uint8_t first_of_size[FRAME_KEY_BYTES_MAX + 2];
    /* JSON pointers (RFC 6901) to the parts of a frame's topic, of which the first must be there;
     * ends with NULL. Without any, it is not known where frames name their topic. All frames with a
     * topic are then data, which no row describes, and nothing else here is set. NULL: the exchange
     * is described. */
    const char *const *raw;
    uint8_t topic, data;    /* every data frame has both */
    const char *topic_path; /* the topic is in an object: "arg.channel", of which topic is the first
                               key; NULL: topic is the key of its text */
    const char *pong;       /* a pong that is not JSON; NULL: pongs are JSON */
    /* The member with the number that rises by one from frame to frame of a connection
     * (schema/conn_counter.h); empty: the exchange does not count frames. */
    td_bytes counter;
    /* Names of the elements of frames that are lists (schema/list_frame.h); NULL: frames are
     * objects. */
    const struct list_names *list;
    /* Numbers of the keys that an event, or each event of a list, has instead of a topic;
     * FRAME_KEY_NONE: the exchange sends no events. */
    uint8_t event, event_time;
    uint8_t op;      /* key under which an answer names its request */
    uint8_t request; /* key of an object in which an answer echoes its request, with the key op
                        inside. op and request may be FRAME_KEY_NONE */
    /* A key of control frames that data frames may have as well; the value distinguishes the two.
     * The rules for this key are adjacent: shared_count rules from index shared_first on.
     * FRAME_KEY_NONE: no such key. */
    uint8_t shared;
    uint8_t shared_first, shared_count;
    td_bytes data_start; /* the bytes with which a data frame begins, up to the opening quote of its
                            topic: {"topic":" . Not used for dialects that echo topics */
    const bare_rule *bare;
    size_t bare_count; /* 0: the exchange has no bare frames */
    /* Words for SUCCESS_WORD; each list ends with NULL. NULL: no rule uses SUCCESS_WORD. */
    const char *const *success_words;
    const char *const *failure_words;
    const control_rule *rules;
    size_t rule_count;
} frame_keys;

/* The number of a key; FRAME_KEY_NONE for other keys. */
static inline uint8_t frame_key_find(const frame_keys *keys, td_bytes key)
{
    if (key.size > FRAME_KEY_BYTES_MAX)
        return FRAME_KEY_NONE;
    for (unsigned i = keys->first_of_size[key.size]; i < keys->first_of_size[key.size + 1]; i++) {
        const uint8_t *name = keys->names[i].data;
        if (name[0] == key.data[0] && memcmp(name, key.data, key.size) == 0)
            return (uint8_t)i;
    }
    return FRAME_KEY_NONE;
}

/* The members of a frame, by key number; the entry of FRAME_KEY_NONE stays empty. */
typedef struct frame_words {
    td_bytes json[FRAME_KEYS_MAX + 1]; /* JSON text; data NULL: absent */
    td_bytes text[FRAME_KEYS_MAX + 1]; /* text of strings; data NULL: not a string */
    td_bytes op;                       /* the request that the frame names; empty: not named */
} frame_words;

/* The rule of a control frame; NULL: it is another frame. */
const control_rule *control_rule_find(const frame_keys *keys, const frame_words *words);

/* Returns the class of a control frame, or CLASS_UNKNOWN. *success is the outcome of the request
 * that the frame answers: 1, 0 or -1 (not stated). All readers of control frames call this
 * function. */
frame_class control_find(const frame_keys *keys, const frame_words *words, int8_t *success);

/* ---- the row ---- */

/* How many connections a client host may open; the exchange blocks a host that opens more. */
typedef struct connect_limit {
    uint32_t count; /* connections within window_ns; at most LIMIT_HOST_CONNECTS */
    uint64_t window_ns;
} connect_limit;

/* The documented texts of a member, such as the states of an order. */
typedef struct value_row {
    msg_member member;
    const char *family; /* the family that sends these texts; NULL: all families without their own
                           row for the member */
    const char *const *values; /* ends with NULL */
    uint8_t is_open;           /* 1: the documentation does not list all of them */
} value_row;

/* What a client reads in answers, beyond their class. Paths, "request.args"; each list ends with
 * NULL. All are optional: in real answers members are missing, empty or of another type
 * (docs/wire.md 5.2 to 5.5), and a client that rejects an answer never learns the result of its
 * request. Unreadable members count as absent. */
enum { ANSWER_PATHS_MAX = 8 };
typedef struct answer_paths {
    const char *ids[ANSWER_PATHS_MAX];      /* the request's id, as echoed */
    const char *reasons[ANSWER_PATHS_MAX];  /* why, or a code */
    const char *requests[ANSWER_PATHS_MAX]; /* the word of the request: by the rules of dialects */
    const char *topics[ANSWER_PATHS_MAX];   /* lists of topics, all granted or all refused */
    const char *granted[ANSWER_PATHS_MAX];  /* lists of granted ones */
    const char *failed[ANSWER_PATHS_MAX];   /* and of refused ones */
    const char *symbol; /* the symbol of the topic, in answers that name nothing else of it; NULL:
                           no answer does */
    /* Forms of a reason that names a topic, which is in place of "*". */
    const char *reason_topics[ANSWER_PATHS_MAX];
    const char *repeat; /* words of a reason: the connection already has the topic; NULL: unknown */
    uint8_t are_whole;  /* 1: an answer with topics names all that are granted: the request's others
                           are refused */
    uint8_t list_all;   /* 1: an answer names all topics that the connection now has */
} answer_paths;

/* The HTTP requests that a client library sends before it connects, for families with names that
 * begin so. */
typedef struct http_preset {
    const char *name;            /* the library */
    const char *families;        /* "": any */
    const char *const *requests; /* "NAME=/path", as of record --http; ends with NULL */
} http_preset;

/* The keys of what follows the name of certain topics, "option-trades.OPTION.BTC-USD". */
enum { NAMED_KEYS_MAX = 3 };
typedef struct named_keys {
    const char *topic;                    /* the topic's name */
    const char *keys[NAMED_KEYS_MAX + 1]; /* in the topic's order; ends with NULL */
} named_keys;

/* How topics are objects. */
typedef struct topic_keys {
    const char *const *usual; /* keys of the name and of the symbol; NULL: topics are texts */
    const named_keys *named;  /* topics with other keys than that of the symbol; ends with topic
                                 NULL;  NULL: none */
} topic_keys;

typedef struct exchange_row {
    const char *name;
    const struct dialect *dialects; /* schema/dialect.h */
    size_t dialect_count;
    const struct topic_parts *parts; /* where topics in parts are (schema/dialect.h); NULL: nowhere
                                      */
    topic_keys topic_keys;           /* of topics in requests and answers */
    answer_paths answers;
    const kind_word *kinds;         /* words for the kind of a frame; ends with text NULL */
    const char *const *other_hosts; /* hosts that serve the same paths as its families' endpoints;
                                       ends with NULL */
    /* "https://host" of its HTTP requests, by family_net; NULL: the host of the connection. */
    const char *http[2];
    /* The members of HTTP replies with the server's time, as the envelope of a row; the first one
     * is in ms. NULL: unknown. */
    const topic_row *http_reply;
    const http_preset *http_presets; /* ends with name NULL; NULL: none */
    connect_limit connects;
    frame_keys frames;
    const value_row *values;       /* rows of single families precede the common ones; ends with
                                      MEMBER_NONE; NULL: unknown */
    const char *const *raw_topics; /* prefixes of documented topics that intentionally have no rows;
                                      ends with NULL; may be NULL */
    const struct instrument_lists *instruments; /* schema/instrument.h; NULL: no lists known */
    const struct end_notice *ends;   /* schema/end_notice.h; NULL: ends are not announced */
    const char *const *control_keys; /* all known members of control frames; ends with NULL; NULL:
                                        anything may occur */
} exchange_row;

/* The documented texts of a field in a family's frames (family NULL: in frames of all families).
 * NULL: no texts are documented, as for every numeric field. */
const value_row *exchange_values(const exchange_row *exchange, const char *family,
                                 const field_row *field);

/* The requests of a library (http_preset.requests) for a family of the exchange, by the first row
 * that fits; NULL if there is no such row. */
const char *const *exchange_http_preset(const exchange_row *exchange, const char *library,
                                        const char *of_family);

#endif
