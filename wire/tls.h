/* TLS contexts and sessions of both ends, and explanations of rejected certificates. Implemented
 * with OpenSSL.
 *
 * The key of a certificate that is made here never leaves memory. Any thread, one at a time per
 * object. */
#ifndef TD_WIRE_TLS_H
#define TD_WIRE_TLS_H

#include <stdint.h>

#include "base/err.h"
#include "base/url.h"
#include "wire/cause.h"

/* OpenSSL's own types, by their tags. */
struct ssl_ctx_st;
struct ssl_st;
struct x509_store_ctx_st;

/* Free a context; sessions keep it. NULL is fine. */
void tls_context_close(struct ssl_ctx_st *context);

/* ---- the server's side ---- */

/* A context for a server: TLS 1.2 or newer, ALPN http/1.1. It has a key (EC, P-256) and a
 * certificate that are made for localhost, 127.0.0.1 and ::1, signed by itself, good from an hour
 * before wall_ns for a year. TD_E_IO (no randomness). */
TD_MUST_USE td_result tls_server_context_make(uint64_t wall_ns, struct ssl_ctx_st **out,
                                              td_err *err);

/* Likewise, with those of PEM files; the certificate's may hold a chain, its own one first.
 * TD_E_INVALID: not readable, not PEM, or they do not belong together. */
TD_MUST_USE td_result tls_server_context_load(const char *cert_path, const char *key_path,
                                              struct ssl_ctx_st **out, td_err *err);

/* The certificate of a server's chain that signed itself, as PEM, which clients may trust; NULL if
 * the chain does not hold it. Free it with td_free. */
char *tls_server_root_pem(struct ssl_ctx_st *context);

/* A session for an accepted connection (wire/link.h owns it). */
struct ssl_st *tls_server_session(struct ssl_ctx_st *context);

/* ---- the client's side ---- */

/* A context for clients: TLS 1.2 or newer. It trusts what ca_file holds now, and nothing else;
 * NULL: the system's CAs. TD_E_INVALID: the file cannot be read, or holds no certificate. */
TD_MUST_USE td_result tls_client_context_open(const char *ca_file, struct ssl_ctx_st **out,
                                              td_err *err);

/* What a session's certificates are compared with, and the first problem that was found. */
typedef struct tls_check {
    const td_server_url *url;
    const char *ca_file; /* is only named in the text */
    wire_cause cause;    /* NONE: no problem; TLS_UNTRUSTED, TLS_WRONG_HOST */
    char text[512];      /* one sentence */
} tls_check;

/* A session with the server of check->url: SNI (names only: RFC 6066, 3), ALPN http/1.1, and its
 * certificate judged; check is borrowed for its life. */
struct ssl_st *tls_client_session(struct ssl_ctx_st *context, tls_check *check);

/* OpenSSL's verify callback of such a session: looks at one certificate of the peer's chain, which
 * is_good is its verdict about so far. 1 to accept it. */
int tls_verify(int is_good, struct x509_store_ctx_st *store);

/* The negotiated version and cipher (static strings), and the peer's subject. */
enum { TLS_WORDS_BYTES = 256 };
typedef struct tls_agreed {
    const char *version;
    const char *cipher;
    char subject[TLS_WORDS_BYTES];
} tls_agreed;
void tls_describe(struct ssl_st *ssl, tls_agreed *out);

#endif
