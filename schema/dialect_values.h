/* Names of the values in the texts of requests and answers (docs/exchanges.md). Constants, for the
 * reader of documents and for the writer of frames. */
#ifndef TD_SCHEMA_DIALECT_VALUES_H
#define TD_SCHEMA_DIALECT_VALUES_H

#include "base/bytes.h"
#include "base/document.h"

/* In requests: */
typedef enum ask_value_id {
    ASK_TOPICS,      /* list of the topics */
    ASK_TOPIC,       /* a single topic, if a request has one only */
    ASK_SYMBOLS,     /* "A,B": the topics' symbols, in dialects with parts */
    ASK_SYMBOL_LIST, /* the same as a list of texts */
    ASK_NAME,        /* the topics' name, in dialects with parts */
    ASK_PARAMETER,   /* "KEY":VALUE of their parameter; absent if they lack it */
    ASK_BINARY,      /* true if binary frames are wanted */
    ASK_OP,          /* the word of the request */
    ASK_ID,          /* the request's id; absent if it lacks one */
    ASK_ID_NUMBER,   /* its number alone, for exchanges whose ids are numbers */
    ASK_KEY,
    ASK_EXPIRES,
    ASK_SIGNATURE,
    ASK_NOW, /* Unix ms */
    ASK_NOW_TEXT,
    ASK_VALUE_COUNT,
} ask_value_id;

/* In answers; also "request.PATH", a member of the request: as text, or, if it is a list or an
 * object, as it is: */
typedef enum answer_value_id {
    REPLY_SUCCESS, /* true, or false if the request or one of its topics is refused */
    REPLY_REASON,  /* the words of the refusal */
    REPLY_CODE,    /* its code */
    REPLY_CONN_ID,
    REPLY_ID,     /* the request's id as text; absent if it lacks one */
    REPLY_ID_RAW, /* the same, as the client wrote it: 5 or "5" */
    REPLY_OP,     /* the word of the request; "" if it is unknown */
    REPLY_ARGS,   /* the request's list as texts; null if it lacks one */
    REPLY_TOPIC,  /* the request's first topic; absent if it names none */
    REPLY_NAME,   /* the same without its symbol */
    REPLY_SYMBOL, /* and its symbol alone */
    REPLY_GRANTED,
    REPLY_FAILED,
    REPLY_SYMBOLS, /* the request's symbols, in dialects with parts */
    REPLY_BINARY,  /* "true" if the request wants binary frames, else "false" */
    REPLY_NOW,     /* Unix ms */
    REPLY_NOW_TEXT,
    REPLY_NOW_US,
    REPLY_NOW_ISO,  /* as RFC 3339, with nanoseconds */
    REPLY_HELD,     /* all topics of the connection: {NAME:[SYMBOL, ...], ...} */
    REPLY_RECORDED, /* dialect.recorded; absent if it was not recorded */
    REPLY_VALUE_COUNT,
} answer_value_id;

/* The names, in the order of the enumerators; each list ends with word NULL. */
extern const document_word DIALECT_ASK_VALUES[], DIALECT_ANSWER_VALUES[];

/* The value of a name; the list's length if it is not there. */
int dialect_value_find(const document_word *names, td_bytes name);

#endif
