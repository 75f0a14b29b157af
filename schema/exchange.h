/* What is one exchange's own, as a row: the hosts beside those of its families' addresses, how
 * often a client may connect, and what distinguishes its control frames from data. Its families,
 * topics and dialects are beside it, in schema/<exchange>/. A second exchange is such a folder and
 * a line of schema/exchanges.h.
 *
 * Constant data and pure functions; any thread. */
#ifndef TD_SCHEMA_EXCHANGE_H
#define TD_SCHEMA_EXCHANGE_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/bytes.h"
#include "schema/topic.h"

/* ---- what a frame is ---- */

typedef enum frame_class {
    CLASS_DATA, /* a topic's frame; topic.row is NULL if the family has no row for it */
    CLASS_ACK,  /* answer to subscribe or unsubscribe */
    CLASS_AUTH, /* answer to auth */
    CLASS_PING, /* the server's own ping */
    CLASS_PONG,
    CLASS_ERROR,   /* a refusal that names no known request */
    CLASS_REQUEST, /* outbound */
    CLASS_UNKNOWN, /* none of these */
} frame_class;

/* 1 for classes that belong on a feed's _control channel. */
static inline int frame_class_is_control(frame_class c)
{
    return c != CLASS_DATA && c != CLASS_UNKNOWN;
}

/* A text of a row, and its length. */
#define FRAME_TEXT(text)                                                                           \
    {                                                                                              \
        (const uint8_t *)(text), sizeof(text) - 1                                                  \
    }

enum {
    FRAME_KEYS_MAX = 24,
    FRAME_KEY_BYTES_MAX = 12,
    FRAME_KEY_NONE = FRAME_KEYS_MAX, /* no key */
};

/* How a member says whether a request succeeded. */
typedef enum success_form {
    SUCCESS_UNSAID, /* it does not */
    SUCCESS_WORD,   /* one of the exchange's words, as text, or as they stand (true) */
    SUCCESS_CODE,   /* 0, as a number or text; all else is failure */
} success_form;

/* What makes a frame a control frame. The first of an exchange's rules that fits decides. */
typedef struct control_rule {
    uint8_t key;           /* the frame has this member; */
    td_bytes text;         /* with this text (empty: anything); */
    td_bytes op;           /* and it names this request (empty: any or none) */
    frame_class is;        /* its class then, */
    frame_class if_failed; /* and its class if the request failed */
    uint8_t success_key;   /* the member that says so, in this form */
    success_form success;
} control_rule;

/* The members of a frame's object by which frames are classified. Keys are numbered by their place
 * in names. */
typedef struct frame_keys {
    const td_bytes *names; /* shorter ones first */
    uint8_t count;
    /* The first key of each size; those of the next larger size follow. */
    uint8_t first_of_size[FRAME_KEY_BYTES_MAX + 2];
    uint8_t topic, data;       /* every data frame has both */
    uint8_t event, event_time; /* a frame that is an event, or a list of them, has these instead of
                                  a topic; FRAME_KEY_NONE: there are no such frames */
    uint8_t op;                /* an answer names its request here, */
    uint8_t request;           /* or here, in an object under the key op; either may be none */
    /* Data frames may have this key as well: its text distinguishes them. The rules of
     * that key stand together. FRAME_KEY_NONE: there is no such key. */
    uint8_t shared;
    uint8_t shared_first, shared_count;
    td_bytes data_start; /* how a data frame begins in the dialects that do not echo topics, up to
                            the first byte of its topic: {"topic":" */
    /* Words of SUCCESS_WORD, ending with NULL. NULL: no rule has it. */
    const char *const *success_words;
    const char *const *failure_words;
    const control_rule *rules;
    size_t rule_count;
} frame_keys;

/* The number of a key; FRAME_KEY_NONE if it is not one of them. */
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

/* A frame's members, by the number of their keys; FRAME_KEY_NONE has none. */
typedef struct frame_words {
    td_bytes json[FRAME_KEYS_MAX + 1]; /* as JSON; data NULL: the frame has no such member */
    td_bytes text[FRAME_KEYS_MAX + 1]; /* of strings; data NULL: not a string */
    td_bytes op;                       /* the request that it names; empty: none */
} frame_words;

/* The class of a control frame; *success: 1, 0 or -1 (not stated), of the request that it answers.
 * CLASS_UNKNOWN if it is no control frame. All readers of frames call this. */
frame_class control_find(const frame_keys *keys, const frame_words *words, int8_t *success);

/* ---- the row ---- */

/* An exchange refuses a host that opens more connections than this. */
typedef struct connect_limit {
    uint32_t count; /* within window_ns; at most LIMIT_HOST_CONNECTS */
    uint64_t window_ns;
} connect_limit;

/* The texts that a member can have by the exchange's documents, such as an order's states. */
typedef struct value_row {
    msg_member member;
    const char *family;        /* that writes them so; NULL: all that no other row names */
    const char *const *values; /* ends with NULL */
    uint8_t is_open;           /* 1: the documents do not list all of them */
} value_row;

typedef struct exchange_row {
    const char *name;
    const char *const *other_hosts; /* that serve the same paths as those of its families'
                                       endpoints; ends with NULL */
    connect_limit connects;
    frame_keys frames;
    const value_row *values;       /* those of a family before those of all; ends with
                                      MEMBER_NONE; NULL: none are known */
    const char *const *raw_topics; /* how documented topics begin that no family has rows for;
                                      ends with NULL; NULL: there are none */
    const struct instrument_lists *instruments; /* schema/instrument.h; NULL: no lists are known */
    const char *const *control_keys; /* all members of control frames that are known; ends with
                                        NULL; NULL: any may be there */
} exchange_row;

/* The documented texts of a field in the frames of a family (NULL: of any); NULL: it has no such
 * set. A number has none, whatever its member. */
const value_row *exchange_values(const exchange_row *exchange, const char *family,
                                 const field_row *field);

#endif
