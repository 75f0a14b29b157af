/* TLS: a server's identity (certificate and key), a client's trust, and explanations of rejected
 * certificates. Implemented with OpenSSL.
 *
 * The key of a certificate that is made here never leaves memory. Any thread, one at a time per
 * object. */
#ifndef TD_WIRE_TLS_H
#define TD_WIRE_TLS_H

#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"
#include "base/url.h"

/* OpenSSL's own types, by their tags. */
struct ssl_ctx_st;
struct ssl_st;
struct x509_store_ctx_st;

/* ---- the server's side ---- */

typedef struct tls_identity tls_identity;

/* Make a key (EC, P-256) and a certificate for localhost, 127.0.0.1 and ::1, signed by itself, good
 * from an hour before wall_ns for a year. TD_E_IO (no randomness). */
TD_MUST_USE td_result tls_identity_make(uint64_t wall_ns, tls_identity **out, td_err *err);

/* Read them from PEM files; the certificate's may hold a chain. TD_E_INVALID: not readable, not
 * PEM, or they do not belong together. */
TD_MUST_USE td_result tls_identity_load(const char *cert_path, const char *key_path,
                                        tls_identity **out, td_err *err);
void tls_identity_close(tls_identity *identity);

/* The certificate of the chain that signed itself, as PEM, which clients may trust; NULL if the
 * chain does not hold it. Valid until close. */
const char *tls_identity_pem(const tls_identity *identity);

/* Put certificate and key into a server's context. TD_E_INVALID. */
TD_MUST_USE td_result tls_identity_use(const tls_identity *identity, struct ssl_ctx_st *context,
                                       td_err *err);

/* ---- the client's side ---- */

/* A context for clients: TLS 1.2 or newer; no SNI for numeric addresses (RFC 6066, 3). TD_E_IO.
 * Freed by tls_client_context_close. */
TD_MUST_USE td_result tls_client_context_open(struct ssl_ctx_st **out, td_err *err);
void tls_client_context_close(struct ssl_ctx_st *context);

/* Trust what ca_file holds now, and nothing else; NULL: the system's CAs. TD_E_INVALID: the file
 * cannot be read, or holds no certificate. */
TD_MUST_USE td_result tls_client_trust(struct ssl_ctx_st *context, const char *ca_file,
                                       td_err *err);

typedef enum tls_verdict {
    TLS_TRUSTED,
    TLS_UNTRUSTED,  /* unknown CA, expired, not yet valid, revoked … */
    TLS_WRONG_HOST, /* a good certificate, of another host */
} tls_verdict;

/* The first problem of a peer's certificate. */
typedef struct tls_finding {
    tls_verdict verdict;
    char text[512]; /* one sentence; empty while trusted */
} tls_finding;

/* Look at one certificate of the peer's chain, as OpenSSL's verify callback gets it: is_good is its
 * verdict so far. Fills *finding if this one cannot be accepted. ca_file is only named in the text.
 */
tls_verdict tls_verify(struct x509_store_ctx_st *store, int is_good, const td_server_url *url,
                       const char *ca_file, tls_finding *finding);

/* The negotiated version and cipher (static strings), and the peer's subject. */
typedef struct tls_agreed {
    const char *version;
    const char *cipher;
    char subject[256];
} tls_agreed;
void tls_describe(struct ssl_st *ssl, tls_agreed *out);

#endif
