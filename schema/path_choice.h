/* Which of several dialects, or of several sets of topics, a client at a path means. At the
 * exchanges a family has hosts of its own; clients of serve and sim reach all families at one host,
 * where some of them have the same path ("/", "/ws"). A client's request tells which it means: by
 * its form, or by the topics that it names. Pure functions; one thread for a parser. */
#ifndef TD_SCHEMA_PATH_CHOICE_H
#define TD_SCHEMA_PATH_CHOICE_H

#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "schema/dialect.h"

/* Those that a client may mean. */
typedef struct path_candidates {
    const dialect *const *dialects; /* of each candidate */
    size_t count;                   /* at least 1 */
    /* 1 if a candidate has the topic. */
    int (*has_topic)(void *user, size_t index, td_bytes topic);
    void *user;
} path_candidates;

/* How well a request fits a candidate; larger is better. */
typedef enum path_fit {
    PATH_FIT_NONE,       /* it is no request of the dialect */
    PATH_FIT_FORM,       /* it is one, but names no topics */
    PATH_FIT_NO_TOPIC,   /* the candidate does not have its topics */
    PATH_FIT_SOME_TOPIC, /* it has some of its topics */
    PATH_FIT_ALL_TOPICS,
} path_fit;

typedef struct path_choice {
    size_t best;     /* index of the first candidate that fits best */
    path_fit fit;    /* its fit */
    uint8_t is_only; /* 1: no other one fits as well, so that the client means this one */
} path_choice;

/* Choose by a client's frame. */
path_choice path_choose(dialect_parser *parser, const path_candidates *from, td_bytes frame);

/* Choose by the topics of a client's URL, as request_of_url reads them. Without any the fit is
 * PATH_FIT_NONE. */
path_choice path_choose_by_url(dialect_parser *parser, const path_candidates *from, td_bytes names,
                               td_bytes query);

/* 1 if the request fits several candidates that have its topics: the client may mean each. */
static inline int path_choice_is_ambiguous(const path_choice *choice)
{
    return !choice->is_only && choice->fit >= PATH_FIT_SOME_TOPIC;
}

#endif
