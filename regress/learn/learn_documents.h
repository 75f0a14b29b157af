/* Writes what was learned as documents. Only for regress/learn. */
#ifndef TD_LEARN_DOCUMENTS_H
#define TD_LEARN_DOCUMENTS_H

#include "base/buf.h"
#include "base/err.h"
#include "regress/learn/learn_topic.h"

typedef struct learned {
    const char *name;
    const char *address; /* NULL: not known */
    topic_place place;
    uint8_t is_list;     /* 1: data frames are lists */
    const char *begins;  /* the beginning of data frames */
    const char *counter; /* key of a connection's number; NULL if absent */
    path_table others;   /* of frames without a topic */
    learn_topic *topics[LEARN_TOPICS_MAX];
    size_t topic_count;
    learn_topic *left_out[LEARN_TOPICS_MAX]; /* without a symbol, or without a known field */
    size_t left_out_count;
    /* A request for topics, as a text of a dialect; NULL if the capture has no request. And where
     * its topics are; NULL: in parts. */
    const char *ask, *op_key, *op_text, *lists;
} learned;

TD_MUST_USE td_result learned_write_exchange(const learned *of, td_buf *out, td_err *err);
TD_MUST_USE td_result learned_write_family(const learned *of, td_buf *out, td_err *err);

#endif
