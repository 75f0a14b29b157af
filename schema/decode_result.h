/* Results of decoding besides the message: why a frame could not be decoded and, for surveys, where
 * its members are. Plain data. */
#ifndef TD_SCHEMA_DECODE_RESULT_H
#define TD_SCHEMA_DECODE_RESULT_H

#include "base/bytes.h"
#include "base/json/json.h"
#include "schema/topic.h"

/* Why a frame could not be decoded, with names that stay as they are. */
#define DECODE_REASONS(X)                                                                          \
    X(OK, "ok")                                                                                    \
    X(NOT_JSON, "not_json") /* malformed JSON, or not an object or array at the top */             \
    X(NOT_UTF8, "not_utf8") /* some bytes are not valid UTF-8 */                                   \
    /* a binary frame that is not a valid gzip, zlib or deflate stream */                          \
    X(NOT_INFLATED, "not_inflated")                                                                \
    X(NO_TOPIC, "no_topic")           /* JSON, but neither data nor a control frame */             \
    X(UNKNOWN_TOPIC, "unknown_topic") /* the family has no row for the topic */                    \
    X(MISSING_FIELD, "missing_field") /* a required field is absent */                             \
    X(WRONG_TYPE, "wrong_type")       /* a field has a JSON type that its row does not allow */    \
    X(BAD_KIND, "bad_kind")           /* the topic has no frames, or entries, of this kind */      \
    /* not a number, or one with too many digits: more than 64 bits and 18 places in books and     \
     * trades, more than LIMIT_BIG_DECIMAL_DIGITS elsewhere */                                     \
    X(BAD_NUMBER, "bad_number")                                                                    \
    X(BAD_TIME, "bad_time") /* an unreadable time */                                               \
    X(BAD_SIDE, "bad_side") /* neither Buy nor Sell, although the field requires one of them */    \
    X(LIMIT, "limit")       /* more entries, nesting or bytes than base/limits.h allows */         \
    X(TOPIC_MISMATCH, "topic_mismatch") /* the frame names a topic other than its channel's */     \
    /* The reasons below occur only with a user's decoder, a program that decodes frames           \
     * (tape/decoding.h). */                                                                       \
    X(REFUSED, "refused")   /* the program answered that it cannot decode the frame */             \
    X(CRASHED, "crashed")   /* the program ended while decoding the frame */                       \
    X(HUNG, "hung")         /* the program did not answer in time */                               \
    X(GARBAGE, "garbage")   /* the program's answer was unreadable */                              \
    X(UNSTABLE, "unstable") /* the program gave two different answers to the same frame */

#define DECODE_REASON_ENUMERATOR(id, name) DECODE_##id,
typedef enum decode_reason {
    DECODE_REASONS(DECODE_REASON_ENUMERATOR) DECODE_REASON_COUNT
} decode_reason;
#undef DECODE_REASON_ENUMERATOR

/* Why and where decoding failed. */
typedef struct decode_error {
    decode_reason reason;
    size_t offset;     /* position in the frame, or in its inflated text; 0 in a list's frame */
    const char *field; /* the field's JSON key in the row, or NULL */
} decode_error;

/* ---- surveys: the members of a frame ---- */

/* Value of survey_member.place for a member of the envelope. Smaller values are indexes of the
 * row's items; the member is then in one of their entries. */
enum { SURVEY_ENVELOPE = TOPIC_ITEMS_MAX };

/* Kind of a survey entry. */
typedef enum survey_what {
    SURVEY_FIELD, /* index is the field's index in the row's fields, or in the row's envelope */
    SURVEY_KIND,  /* the member with the frame's kind, in the envelope */
    SURVEY_ENTRY, /* an entry begins; its members follow */
} survey_what;

typedef struct survey_member {
    uint32_t token; /* token of its value: {survey.root.parser, token} */
    uint8_t place;  /* index of the row's items, or SURVEY_ENVELOPE */
    uint8_t what;   /* survey_what */
    uint16_t index;
} survey_member;

/* Why a member counts in msg_head.unknown_fields. */
typedef enum unexpected_what {
    UNEXPECTED_UNKNOWN,    /* the row does not name it */
    UNEXPECTED_REPEATED,   /* a key that occurs twice */
    UNEXPECTED_UNREADABLE, /* an unreadable time, which the message leaves out */
} unexpected_what;

typedef struct survey_unexpected {
    unexpected_what what;
    td_bytes at;  /* path of the object that contains the member, in the syntax of rows; empty: the
                     frame itself */
    td_bytes key; /* with escapes resolved; of an element of an array, its index */
} survey_unexpected;

/* The known members of a decoded frame, including those without a value, in the order in which they
 * were read. */
typedef struct frame_survey {
    json_value root;
    td_bytes text; /* the frame, or its inflated text */
    const survey_member *members;
    size_t member_count;
    /* Equal ones are listed once, so there may be fewer than msg_head.unknown_fields. */
    const survey_unexpected *unexpected;
    size_t unexpected_count;
    uint64_t unexpected_left_out; /* members beyond LIMIT_SURVEY_UNEXPECTED */
} frame_survey;

#endif
