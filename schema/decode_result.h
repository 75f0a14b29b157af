/* Results of decoding besides the message: why a frame could not be decoded and, for surveys, where
 * its members are. Plain data. */
#ifndef TD_SCHEMA_DECODE_RESULT_H
#define TD_SCHEMA_DECODE_RESULT_H

#include "base/bytes.h"
#include "base/limits.h"
#include "base/json/json.h"
#include "schema/topic.h"

/* Why a frame could not be decoded. decode_reason_name() has stable names. */
typedef enum decode_reason {
    DECODE_OK,
    DECODE_NOT_JSON,      /* malformed JSON, or not an object or array at the top */
    DECODE_NOT_UTF8,      /* some bytes are not valid UTF-8 */
    DECODE_NOT_INFLATED,  /* a binary frame that is not a valid gzip, zlib or deflate stream */
    DECODE_NO_TOPIC,      /* JSON, but neither data nor a control frame */
    DECODE_UNKNOWN_TOPIC, /* the family has no row for the topic */
    DECODE_MISSING_FIELD, /* a required field is absent */
    DECODE_WRONG_TYPE,    /* a field has a JSON type that its row does not allow */
    DECODE_BAD_KIND,      /* the topic has no frames of this kind */
    DECODE_BAD_NUMBER, /* not a number, or one with too many digits: more than 64 bits and 18 places
                          in books and trades, more than LIMIT_BIG_DECIMAL_DIGITS elsewhere */
    DECODE_BAD_TIME,   /* an unreadable time */
    DECODE_BAD_SIDE,   /* neither Buy nor Sell, although the field requires one of them */
    DECODE_LIMIT,      /* more entries, nesting or bytes than base/limits.h allows */
    DECODE_TOPIC_MISMATCH, /* the frame names a topic other than its channel's */
    /* The reasons below occur only with a user's decoder, a program that decodes frames
     * (tape/decoding.h). */
    DECODE_REFUSED,  /* the program answered that it cannot decode the frame */
    DECODE_CRASHED,  /* the program ended while decoding the frame */
    DECODE_HUNG,     /* the program did not answer in time */
    DECODE_GARBAGE,  /* the program's answer was unreadable */
    DECODE_UNSTABLE, /* the program gave two different answers to the same frame */
    DECODE_REASON_COUNT,
} decode_reason;

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
    td_bytes at; /* path of the object that contains the member, in the syntax of rows; empty: the
                    frame itself */
    /* With escapes resolved; data NULL: the member is an element of an array, see place. */
    td_bytes key;
    uint32_t place; /* the element's index, if the entry is an array */
    uint32_t token; /* token of its value */
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
