/* Names of the values in the texts of requests and answers (docs/exchanges.md), for the reader of
 * documents and for the writer of frames. */
#ifndef TD_SCHEMA_DIALECT_VALUES_H
#define TD_SCHEMA_DIALECT_VALUES_H

/* In requests: */
#define ASK_VALUES(X)                                                                              \
    X(TOPICS, "topics")           /* list of the topics */                                         \
    X(TOPIC, "topic")             /* a single topic, if a request has one only */                  \
    X(SYMBOLS, "symbols")         /* "A,B": the topics' symbols, in dialects with parts */         \
    X(SYMBOL_LIST, "symbol_list") /* the same as a list of texts */                                \
    X(NAME, "name")               /* the topics' name, in dialects with parts */                   \
    X(PARAMETER, "parameter")     /* "KEY":VALUE of their parameter; absent if they lack it */     \
    X(BINARY, "binary")           /* true if binary frames are wanted */                           \
    X(OP, "op")                   /* the word of the request */                                    \
    X(ID, "id")                   /* the request's id; absent if it lacks one */                   \
    X(ID_NUMBER, "id_number")     /* its number alone, for exchanges whose ids are numbers */      \
    X(KEY, "key")                                                                                  \
    X(PASSPHRASE, "passphrase")                                                                    \
    X(EXPIRES, "expires")   /* Unix ms */                                                          \
    X(SIGNED_S, "signed_s") /* Unix s, as text */                                                  \
    X(SIGNATURE, "signature")                                                                      \
    X(NOW, "now_ms") /* Unix ms */                                                                 \
    X(NOW_TEXT, "now_text")                                                                        \
    X(NOW_ISO, "now_iso") /* as RFC 3339, with nanoseconds */                                      \
    X(COUNT, "count")     /* only of a server's heartbeats: how many it has sent to this client */

#define ASK_VALUE_ENUMERATOR(id, name) ASK_##id,
typedef enum ask_value_id { ASK_VALUES(ASK_VALUE_ENUMERATOR) ASK_VALUE_COUNT } ask_value_id;
#undef ASK_VALUE_ENUMERATOR

/* In answers: */
#define REPLY_VALUES(X)                                                                            \
    X(SUCCESS, "success") /* true, or false if the request or one of its topics is refused */      \
    X(REASON, "reason")   /* the words of the refusal */                                           \
    X(CODE, "code")       /* its code */                                                           \
    X(CONN_ID, "conn_id")                                                                          \
    X(ID, "id")         /* the request's id as text; absent if it lacks one */                     \
    X(ID_RAW, "id_raw") /* the same, as the client wrote it: 5 or "5" */                           \
    X(OP, "op")         /* the word of the request; "" if it is unknown */                         \
    X(ARGS, "args")     /* the request's list as texts; null if it lacks one */                    \
    X(TOPIC, "topic")   /* the request's first topic; absent if it names none */                   \
    X(NAME, "name")     /* the same without its symbol */                                          \
    X(SYMBOL, "symbol") /* and its symbol alone */                                                 \
    X(GRANTED, "granted")                                                                          \
    X(FAILED, "failed")                                                                            \
    X(SYMBOLS, "symbols") /* the request's symbols, in dialects with parts */                      \
    X(BINARY, "binary")   /* "true" if the request wants binary frames, else "false" */            \
    X(NOW, "now_ms")      /* Unix ms */                                                            \
    X(NOW_TEXT, "now_text")                                                                        \
    X(NOW_US, "now_us")                                                                            \
    X(NOW_ISO, "now_iso")   /* as RFC 3339, with nanoseconds */                                    \
    X(ORDER_ID, "order_id") /* of a request about orders; absent if it is refused */               \
    X(ORDER_LINK_ID, "order_link_id")                                                              \
    X(TRACE, "trace")       /* a text of 32 digits, which differs from answer to answer */         \
    X(HELD, "held")         /* all topics of the connection: {NAME:[SYMBOL, ...], ...} */          \
    X(RECORDED, "recorded") /* dialect.recorded; absent if it was not recorded */                  \
    X(MEMBER, "request")    /* request.PATH, a member of the request: as text, or, if it is a list \
                               or an object, as it is */                                           \
    X(MEMBER_RAW, "request_raw") /* the same, always as it is */

#define REPLY_VALUE_ENUMERATOR(id, name) REPLY_##id,
typedef enum answer_value_id {
    REPLY_VALUES(REPLY_VALUE_ENUMERATOR) REPLY_VALUE_COUNT
} answer_value_id;
#undef REPLY_VALUE_ENUMERATOR

#endif
