/* TLS contexts and sessions for clients and servers, and explanations of rejected certificates.
 * Uses OpenSSL.
 *
 * The key of a generated certificate never leaves memory. Any thread, one at a time per object. */
#ifndef TD_WIRE_TLS_H
#define TD_WIRE_TLS_H

#include <stdint.h>

#include "base/err.h"
#include "base/url.h"
#include "wire/cause.h"

/* OpenSSL's types. */
struct ssl_ctx_st;
struct ssl_st;
struct x509_store_ctx_st;

/* Release a context; its sessions keep it alive. NULL is fine. */
void tls_context_close(struct ssl_ctx_st *context);

/* ---- server ---- */

/* A context for a server: TLS 1.2 or newer, ALPN http/1.1, with a generated key (EC, P-256) and
 * self-signed certificate for localhost, 127.0.0.1 and ::1, valid from an hour before wall_ns for a
 * year. TD_E_IO (no randomness). */
TD_MUST_USE td_result tls_server_context_make(uint64_t wall_ns, struct ssl_ctx_st **out,
                                              td_err *err);

/* As tls_server_context_make, with key and certificate from PEM files; the certificate file may
 * hold a chain, the server's certificate first. TD_E_INVALID: a file is unreadable or not PEM, or
 * the key does not match the certificate. */
TD_MUST_USE td_result tls_server_context_load(const char *cert_path, const char *key_path,
                                              struct ssl_ctx_st **out, td_err *err);

/* The self-signed certificate in a server's chain as PEM, which clients may trust; NULL if the
 * chain has no such certificate. Free it with td_free. */
char *tls_server_root_pem(struct ssl_ctx_st *context);

/* A session for an accepted connection; pass it to link_secure. */
struct ssl_st *tls_server_session(struct ssl_ctx_st *context);

/* ---- client ---- */

/* A context for clients: TLS 1.2 or newer. Trusts only the certificates in ca_file, which is read
 * now; NULL: the system's CAs. TD_E_INVALID: the file cannot be read, or has no certificate. */
TD_MUST_USE td_result tls_client_context_open(const char *ca_file, struct ssl_ctx_st **out,
                                              td_err *err);

/* Input of a session's certificate check, and the first problem found. */
typedef struct tls_check {
    const td_server_url *url;
    const char *ca_file; /* used only in the text */
    wire_cause cause;    /* NONE: no problem; TLS_UNTRUSTED, TLS_WRONG_HOST */
    char text[512];      /* one sentence */
} tls_check;

/* A session with the server of check->url: SNI (names only: RFC 6066, 3), ALPN http/1.1,
 * certificate verified by tls_verify. check is borrowed for the session's life. */
struct ssl_st *tls_client_session(struct ssl_ctx_st *context, tls_check *check);

/* OpenSSL's verify callback of client sessions: checks one certificate of the peer's chain; is_good
 * is OpenSSL's result. 1 to accept it. */
int tls_verify(int is_good, struct x509_store_ctx_st *store);

/* The negotiated version and cipher (static strings), and the subject of the peer's certificate. */
enum { TLS_TEXT_BYTES = 256 };
typedef struct tls_agreed {
    const char *version;
    const char *cipher;
    char subject[TLS_TEXT_BYTES];
} tls_agreed;
void tls_describe(struct ssl_st *ssl, tls_agreed *out);

#endif
