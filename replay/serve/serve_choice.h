/* Which server a client means. Feeds are at one server if their families have the same address; at
 * the exchanges, servers with the same path ("/" of Kraken and Coinbase, "/ws" of Binance's spot
 * and futures) have other hosts, which a client of this server does not name. Its first request
 * tells (schema/path_choice.h). One thread. */
#ifndef TD_SERVE_SERVE_CHOICE_H
#define TD_SERVE_SERVE_CHOICE_H

#include "replay/serve/serve_feeds.h"

/* A server is its first feed. */
typedef struct serve_choice {
    const served_feed *server; /* that the client means; or the first that it may mean */
    uint8_t is_only;           /* 1: it means this one */
    uint8_t is_ambiguous;      /* 1: several servers have topics that it names */
} serve_choice;

/* Choose among the servers at a path, as family_find_path returns it; there is at least one. */
serve_choice serve_choose(const serve_feeds *feeds, dialect_parser *parser, const char *path,
                          td_bytes frame);
serve_choice serve_choose_by_url(const serve_feeds *feeds, dialect_parser *parser, const char *path,
                                 td_bytes names, td_bytes query);

/* Write "feeds A, B are at PATH, and ..." for clients that do not tell which they mean, truncated
 * if needed. */
void serve_choice_text(const serve_feeds *feeds, const char *path, char *out, size_t out_bytes);

/* Log paths that feeds share. TD_E_INVALID: at a path of several servers, clients of one send no
 * request. */
TD_MUST_USE td_result serve_choice_check(const serve_feeds *feeds, const td_log *log, td_err *err);

#endif
