/* What decoding a frame gives besides its message: why it could not be decoded, and, of a survey,
 * where the frame's members are. Plain data. */
#ifndef TD_SCHEMA_DECODE_RESULT_H
#define TD_SCHEMA_DECODE_RESULT_H

#include "base/bytes.h"
#include "base/limits.h"
#include "base/json/json.h"
#include "schema/topic.h"

/* Why a frame could not be decoded. Stable names by decode_reason_name. */
typedef enum decode_reason {
    DECODE_OK,
    DECODE_NOT_JSON,      /* malformed JSON, or no object or array at the top */
    DECODE_NOT_UTF8,      /* bytes that are no UTF-8 */
    DECODE_NOT_INFLATED,  /* a binary frame that is no gzip, zlib or deflate stream, or a broken one
                           */
    DECODE_NO_TOPIC,      /* JSON, but neither a topic's frame nor a control frame */
    DECODE_UNKNOWN_TOPIC, /* no row of the family fits */
    DECODE_MISSING_FIELD, /* a required field is absent */
    DECODE_WRONG_TYPE,    /* a field has a JSON type that its row does not allow */
    DECODE_BAD_KIND,      /* a frame of a kind that its topic does not have */
    DECODE_BAD_NUMBER,    /* no number, or one of too many digits: beyond 64 bits and 18 places in
                             books and trades, LIMIT_BIG_DECIMAL_DIGITS elsewhere */
    DECODE_BAD_TIME,      /* a time that cannot be read */
    DECODE_BAD_SIDE,      /* a side other than Buy and Sell, where one is required */
    DECODE_LIMIT,         /* more entries, nesting or bytes than base/limits.h allows */
    DECODE_TOPIC_MISMATCH, /* the frame's topic is not its channel's */
    /* The rest: of a decoder in place of this one (tape/decoding.h). */
    DECODE_REFUSED,  /* it answers that it cannot decode the frame */
    DECODE_CRASHED,  /* it ended while it had the frame */
    DECODE_HUNG,     /* it did not answer in time */
    DECODE_GARBAGE,  /* its answer cannot be read */
    DECODE_UNSTABLE, /* asked again, it answers something else */
    DECODE_REASON_COUNT,
} decode_reason;

/* Why and where decoding failed. */
typedef struct decode_error {
    decode_reason reason;
    size_t offset;     /* byte of the frame, or of what it inflates to */
    const char *field; /* the field's JSON key in the row, or NULL */
} decode_error;

/* ---- what a frame holds, beside what it means ---- */

/* Position of a known member: 0 to TOPIC_ITEMS_MAX - 1 is in an entry of that one of the row's
 * items. */
enum { SURVEY_ENVELOPE = TOPIC_ITEMS_MAX };

/* What a member of a frame is. */
typedef enum survey_what {
    SURVEY_FIELD, /* index: of the row's fields, or of its envelope */
    SURVEY_KIND,  /* the frame's kind, in the envelope */
    SURVEY_ENTRY, /* an entry of the row's items begins; its members follow */
} survey_what;

typedef struct survey_member {
    uint32_t token; /* its value: {survey.root.parser, token} */
    uint8_t place;  /* of the row's items, or SURVEY_ENVELOPE */
    uint8_t what;   /* survey_what */
    uint16_t index;
} survey_member;

/* A member that counts in msg_head.unknown_fields. */
typedef enum unexpected_what {
    UNEXPECTED_UNKNOWN,    /* the row does not name it */
    UNEXPECTED_REPEATED,   /* a key that occurs twice */
    UNEXPECTED_UNREADABLE, /* a time that cannot be read, and is left out */
} unexpected_what;

typedef struct survey_unexpected {
    unexpected_what what;
    td_bytes at;    /* path of the object that it is in, as rows write paths; empty: the frame */
    td_bytes key;   /* with escapes resolved; data NULL: it is known by its place */
    uint32_t place; /* of an entry that is an array: its index */
    uint32_t token; /* its value */
} survey_unexpected;

/* A decoded frame's members, in the order in which they were read. All known ones that are there,
 * whether they have a value or not. */
typedef struct frame_survey {
    json_value root;
    td_bytes text; /* the frame, or what it inflates to */
    const survey_member *members;
    size_t member_count;
    const survey_unexpected *unexpected; /* each path once: what msg_head.unknown_fields counts */
    size_t unexpected_count;
    uint64_t unexpected_left_out; /* beyond LIMIT_SURVEY_UNEXPECTED */
} frame_survey;

#endif
