/* Topics that a request writes in parts, or in another spelling, and the form that the rest of the
 * program uses: "name[.parameter].symbol" (docs/wire.md 1.3). Only for schema/. Pure functions, but
 * that composed topics are in the reader's memory. */
#ifndef TD_SCHEMA_TOPIC_PARTS_H
#define TD_SCHEMA_TOPIC_PARTS_H

#include "schema/dialect_text.h"
#include "schema/exchange.h"

/* A parameter of topics, such as a candle's interval, in a dialect whose topics are in parts. */
typedef struct topic_parameter {
    const char *topic;  /* name of the topics that have it: "kline" */
    const char *path;   /* its place in a request: "params.klineType" */
    char joint;         /* between the two, '-' of "book-10"; '.': they are parts of their own */
    const char *prefix; /* a request's name may be this and the parameter, "kline_1m"; or NULL */
    const char *const *values; /* the possible ones; ends with NULL. NULL: any */
    const char *otherwise;     /* of requests without this parameter; NULL: not known */
} topic_parameter;

/* Where the parts of a topic are in requests, and in answers that repeat them. */
typedef struct topic_parts {
    /* Key of the object that has the parts, in requests and in answers; NULL: the frame itself. */
    const char *request, *answer;
    const char *name;           /* path of the topic's name */
    const char *const *symbols; /* paths of its symbol; the first that is there counts */
    topic_parameter *parameters;
    size_t parameter_count;
    const char *const *without_symbol; /* names of topics that are the name alone; ends with NULL.
                                          NULL: no such topics */
} topic_parts;

/* The frames in which topics are in parts. */
typedef enum parts_frame { PARTS_OF_REQUEST, PARTS_OF_ANSWER } parts_frame;

/* A topic in parts. Views into a request, or into a topic. */
typedef struct split_topic {
    td_bytes name;
    const topic_parameter *of; /* NULL: such topics have no parameter */
    td_bytes parameter;
    td_bytes symbol;    /* in a request maybe a list, "A,B" */
    json_value symbols; /* if has_list: the list of symbols, instead */
    uint8_t has_list;
    uint8_t is_whole; /* the topic has no symbol, whatever symbols a frame has */
} split_topic;

/* 1 if the topics of this name have no symbol. */
int topic_parts_is_whole(const topic_parts *parts, td_bytes name);

/* The parts in a request, or in an answer that repeats it. Missing parts are empty. */
split_topic topic_parts_read(const topic_parts *parts, parts_frame frame, json_value root);

/* The object of a frame that has its parts; 0: the frame has no such object. */
int topic_parts_find(const topic_parts *parts, parts_frame frame, json_value root, json_value *out);

/* The parts of a topic. TD_E_INVALID: the dialect cannot ask for such a topic. */
TD_MUST_USE td_result topic_parts_split(const topic_parts *parts, const char *topic,
                                        split_topic *out, td_err *err);

/* Append the topics of these parts, whose symbol is one symbol, or a list, to the args of text.
 * TD_E_LIMIT. */
typedef enum symbol_form { SYMBOL_ONE, SYMBOL_LIST } symbol_form;
TD_MUST_USE td_result topic_parts_compose(dialect_parser *parser, const split_topic *of,
                                          symbol_form form, td_err *err);

/* Size of a topic's text before its symbol, which follows the last dot; 0 if there is no dot. */
size_t topic_stem_size(const char *topic);

/* 1 if the parameter of a topic, if it has one, can exist. */
int topic_parts_is_possible(const topic_parts *parts, td_bytes topic);

/* ---- objects: {"channel":NAME,"instId":SYMBOL} (schema/exchange.h) ---- */

/* 1 if a value is an object with the key of the name. */
int topic_has_object(const topic_keys *keys, json_value value);

/* Append its topic, up to the first part that the object lacks. TD_E_LIMIT. */
TD_MUST_USE td_result topic_read_object(const topic_keys *keys, json_value object, td_buf *out,
                                        td_err *err);

/* A member of a topic's object. Views into the keys and into the topic. */
typedef struct topic_member {
    const char *key;
    td_bytes text;
} topic_member;

/* The members of a topic's object, at least the name; parts that the topic lacks are left out.
 * Returns their number. */
enum { TOPIC_MEMBERS_MAX = 1 + NAMED_KEYS_MAX };
size_t topic_members(const topic_keys *keys, td_bytes topic, topic_member out[TOPIC_MEMBERS_MAX]);

/* Append the object of a topic. TD_E_LIMIT. */
TD_MUST_USE td_result topic_put_object(const topic_keys *keys, const char *topic, td_buf *out,
                                       td_err *err);

/* ---- spellings: "{name}@{symbol}", "{lower_symbol}@{name} or !*" ---- */

enum { SPELLING_SEPARATOR_MAX = 7, SPELLING_WHOLE_MAX = 7 };

/* How an exchange spells a topic, in requests and, unless the symbol is in another member, in
 * frames. */
typedef struct topic_spelling {
    char separator[SPELLING_SEPARATOR_MAX + 1]; /* between name and symbol */
    uint8_t symbol_first;
    uint8_t lowers; /* the symbol is in lower case there, and in upper case elsewhere */
    /* Topics that begin so have no symbol, and are spelled as they are; "": no such topics. */
    char whole[SPELLING_WHOLE_MAX + 1];
} topic_spelling;

/* Read a spelling. Returns what is wrong with its text; NULL: nothing. */
const char *topic_spelling_parse(const char *text, topic_spelling *out);

/* Append a topic as the exchange spells it. TD_E_INVALID: it names no symbol. TD_E_LIMIT. */
TD_MUST_USE td_result topic_spell(const topic_spelling *spelling, const char *topic, td_buf *out,
                                  td_err *err);

/* Write the topic that is so spelled, "name.symbol", in at most text.size bytes; a text of another
 * form as it is. Returns its size. */
size_t topic_read_spelling(const topic_spelling *spelling, td_bytes text, char *out);

#endif
