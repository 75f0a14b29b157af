/* Families: an exchange's product lines. A family has hosts and paths, the dialect of its
 * connections, and its topics; it is described by a document (schema/family_file.h). A topic string
 * is ambiguous without its family. Constant data, which is read from its document when it is first
 * asked for; any thread. */
#ifndef TD_SCHEMA_FAMILY_H
#define TD_SCHEMA_FAMILY_H

#include <stddef.h>

#include "base/bytes.h"
#include "base/document_set.h"
#include "base/err.h"
#include "base/limits.h"
#include "schema/family_row.h"
#include "schema/topic.h"

enum {
    FAMILIES_ADDED_MAX = 64, /* families that are not part of the programs */
    FAMILY_TEXT_BYTES_MAX = 1 << 20,
};

/* Add the families of documents, which may use each other and the programs' own; documents
 * without the key `family` are only used by others. From then on they are found like the programs'
 * own. The texts are borrowed during the call. Any thread; but what other threads asked for before
 * stays as it was, so a program adds families before it starts threads.
 * TD_E_INVALID: a mistake in a document, or the name of a family that exists. TD_E_LIMIT. */
TD_MUST_USE td_result family_add(const family_text *documents, size_t count, td_err *err);

/* Add the family `name` of kept documents (family_documents), whose first one is its own. If the
 * family exists, it stays as it is. TD_E_INVALID: a mistake in a document, or it is of another
 * family. TD_E_LIMIT. */
TD_MUST_USE td_result family_add_kept(const char *name, const document_set *documents, td_err *err);

/* The document of an added family, and the added documents that it uses, with their hash: the
 * definition, to be kept with frames. NULL: the family is one of the programs' own, whose documents
 * have the dates of their changes. Valid until the program ends. */
const document_set *family_documents(const family *of);

/* The text of a document by its name: of the family's own (of->document), or of one that it uses.
 * Valid until the program ends. Returns 0 if there is no such document. */
int family_document(const family *of, td_bytes name, td_bytes *text);

/* All families: the programs' own, in the order of docs/design.md ("Words"), and then the added
 * ones; *count is their number. Reads all documents: family_find reads one. */
const family *const *family_table(size_t *count);

/* The family whose topics include this row; NULL: none has. */
const family *family_of_row(const topic_row *row);

/* The exchange of a family; if `of` is NULL, the exchange of the first family. Never returns NULL.
 */
const exchange_row *exchange_of(const family *of);

/* The family of that name, or NULL. */
const family *family_find(td_bytes name);

/* 1 if there is a family of that name; its document is not read. */
int family_is_known(td_bytes name);

/* The rule by which a subscription of the family of that name covers a topic (dialect.covers). Of
 * an unknown family each covers only itself. */
int (*family_covers(const char *name))(td_bytes subscription, td_bytes exchange_topic);

/* The first family that has an endpoint with this URL's host (or another known host of the
 * exchange) and path, as family_find_path finds it; the query is ignored. NULL if absent. Several
 * families may share a private address. Reads only documents of families that may be there. */
const family *family_find_by_url(td_bytes url);

/* 1 if a host is of the family's exchange: of an address of one of its families, or another known
 * host (exchange_row.other_hosts). */
int family_is_at_host(const family *of, td_bytes host);

/* How well an address of the family fits a URL; the query is ignored. Larger is better. A path fits
 * less if only further names follow the address's (family_path_names). */
typedef enum family_fit {
    FIT_NONE,
    FIT_PATH_NAMES, /* by the path alone, with further names */
    FIT_PATH,
    FIT_EXCHANGE_NAMES, /* at another host of the exchange that serves the same paths */
    FIT_EXCHANGE,
    FIT_HOST_NAMES, /* at the address's own host */
    FIT_HOST,
} family_fit;
family_fit family_fit_url(const family *of, td_bytes url);

/* The path of an endpoint's URL: "/realtime" of "wss://stream.bybit.com/realtime". A view into it.
 */
const char *family_url_path(const char *url);

/* The path, as a constant in the family's endpoints; NULL if the family does not have it. *accesses
 * has the kinds of endpoints with this path, as bits 1 << family_access. At a bare endpoint further
 * names may follow the path (family_path_names). */
const char *family_find_path(const family *of, td_bytes path, unsigned *accesses);

/* Which of several families a path is for: the first one that has it, or else the first one at
 * which it has further names, since another exchange's path may begin like a bare one. Returns its
 * index; count: none has it. */
size_t family_choose_by_path(const family *const *of, size_t count, td_bytes path);

/* 1 if the families are at one server: both have an address with this path (as family_find_path
 * returns it) and the same host. */
int family_shares_server(const family *of, const family *other, const char *own);

/* What follows the path of a bare endpoint, "btcusdt@trade/btcusdt@aggTrade": topics joined by '/',
 * a view into path. own: what family_find_path returned. */
td_bytes family_path_names(const char *own, td_bytes path);

/* 1 if connections at this path, which family_find_path returned, have bare frames. */
int family_path_is_bare(const family *of, const char *own);

/* Append a family's paths to why, which becomes "nothing is served at PATH; try /a /b". Call it for
 * each served family, the first time with why empty. Text beyond why_bytes is dropped. */
void family_paths_text(const family *of, td_bytes path, char *why, size_t why_bytes);

/* URL of a family's endpoint, or NULL if it has no such endpoint. */
const char *family_url(const family *of, family_net net, family_access access);

/* As family_url, of an endpoint that has a topic (topic_row.path; NULL: any), and no bare frames.
 */
const char *family_url_at(const family *of, family_net net, family_access access, const char *path);

/* 1 if the path of a URL is one at which the exchange sends a topic (topic_row.path). */
int family_url_has_topic(td_bytes url, const char *path);

/* "https://host" of the HTTP requests that belong to a connection with this URL; NULL: the URL is
 * not one of the exchange's, or requests go to the connection's host. */
const char *family_http(const family *of, td_bytes url);

/* Names of the programs' families, in the order of the table; ends with NULL. */
extern const char *const FAMILY_NAMES[];

/* Names of the programs' families joined by ", ", for error texts; a constant. */
const char *family_names(void);

/* Returns TD_E_INVALID for an unknown name; the hint lists similar names, or all. */
TD_MUST_USE td_result family_refuse(td_bytes name, td_err *err);

/* The row of a topic as users write it, with or without a symbol. *symbol becomes its symbol part
 * (also a list, "A|B"), empty if absent. NULL: unknown topic. */
const topic_row *family_topic_row(const family *of, const char *topic, td_bytes *symbol);

/* The kind of an instrument of the family, by its symbol. */
market_kind family_kind_of(const family *of, td_bytes symbol);

/* The place of a topic in the market's list of topics that make tickers, or -1. */
int market_ticker_place(const family_market *of, const topic_row *row);

/* The row of a topic name without a symbol; NULL: unknown topic. */
const topic_row *family_topic_named(const family *of, const char *name);

/* 1 if the reply with a topic's snapshot may leave out levels of a side. */
int family_snapshot_has_limit(const topic_row *row);

/* 1 if it may have left out further levels of a side of which it has so many: that is the limit, or
 * a usual one of captured clients, which may ask for fewer levels than a recorder does. */
int family_snapshot_is_cut(const topic_row *row, size_t levels);

/* The most levels, up to so many, for which family_snapshot_is_cut holds; `levels` if there are
 * none. */
size_t family_snapshot_cut(const topic_row *row, size_t levels);

/* How many levels of a side the reply to a request for the snapshot has at most: the query's
 * `limit`, but no more than the topic's own request has; 0: there is no such limit. A limit at
 * which a reader does not find the side cut is made smaller, to one at which it does. */
size_t family_snapshot_limit(const topic_row *row, td_bytes query);

/* Write the path and query of the request for a topic's snapshot (topic_row.snapshot_request), with
 * the symbol percent-encoded, and a NUL. A text that does not fit is cut. */
void family_snapshot_path(const family *of, const topic_row *row, td_bytes symbol, char *out,
                          size_t out_bytes);

/* 1 if the request is for the snapshot of this row's topic; out gets the symbol as topics have it:
 * decoded, and in upper case if frames spell it in lower case. A slash at the end of the path does
 * not count. */
int family_is_snapshot_request(const family *of, const topic_row *row, td_bytes path,
                               td_bytes query, char out[LIMIT_TOPIC_BYTES]);

/* The documented texts of a field in the family's frames (exchange_values). */
const struct value_row *family_values(const family *of, const field_row *field);

#endif
