/* Which requests a simulated exchange refuses, and why. All servers (sim, serve) use these checks,
 * in the same order, so that they behave alike; they only differ in the topics that they have. The
 * dialect formats the answer (build_answer). Pure; any thread. */
#ifndef TD_SCHEMA_REFUSALS_H
#define TD_SCHEMA_REFUSALS_H

#include "schema/dialect.h"

/* State of one topic of a request, at the server. */
typedef struct topic_standing {
    uint8_t is_known;          /* there is such a topic, of that symbol */
    uint8_t is_symbol_unknown; /* there is not, but for other symbols there is */
    uint8_t needs_auth;        /* the connection has not authenticated, as the topic wants it */
    uint8_t is_held;           /* the connection has it already */
} topic_standing;

typedef topic_standing topic_look(void *user, td_bytes topic);

/* Judge a request as request_parse() left it (parsed: its result, TD_OK or TD_E_INVALID), and set
 * reply's refusal and what it is about. Topics that are unknown are refused whether they are
 * subscribed to or given up. Where the dialect answers topic by topic, failed gets a byte for each
 * arg, 1 for those that are refused, and the request as a whole is granted. look is called for the
 * args of requests for topics. TD_E_NOMEM, TD_E_LIMIT. */
TD_MUST_USE td_result refusals_judge(const dialect *spoken, const dialect_request *request,
                                     td_result parsed, topic_look *look, void *user, td_buf *failed,
                                     dialect_reply *reply, td_err *err);

#endif
