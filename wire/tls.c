#include "wire/tls.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/clock.h"

enum { MADE_VALID_BEFORE_S = 3600, MADE_VALID_DAYS = 365 };

/* ALPN (RFC 7301): the length before the name. */
static const unsigned char HTTP_1_1[] = "\x08http/1.1";

/* Text of OpenSSL's first error, which caused the others; clears its error queue. */
static const char *take_reason(void)
{
    unsigned long error = ERR_get_error();
    const char *reason =
        ERR_SYSTEM_ERROR(error) ? strerror(ERR_GET_REASON(error)) : ERR_reason_error_string(error);
    ERR_clear_error();
    return reason == NULL ? "failed" : reason;
}

/* ---- generating a certificate ---- */

static int add_extension(X509 *cert, int nid, const char *value)
{
    X509V3_CTX ctx;
    X509V3_set_ctx_nodb(&ctx);
    X509V3_set_ctx(&ctx, cert, cert, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    int is_added = extension != NULL && X509_add_ext(cert, extension, -1) == 1;
    X509_EXTENSION_free(extension);
    return is_added;
}

static int set_validity(X509 *cert, uint64_t wall_ns)
{
    time_t now = (time_t)(wall_ns / TD_NS_PER_S);
    return X509_time_adj_ex(X509_getm_notBefore(cert), 0, -MADE_VALID_BEFORE_S, &now) != NULL &&
           X509_time_adj_ex(X509_getm_notAfter(cert), MADE_VALID_DAYS, 0, &now) != NULL;
}

/* Set a unique name, because clients that trust two servers find the issuer by name. */
static int set_names(X509 *cert, uint64_t number)
{
    X509_NAME *name = X509_get_subject_name(cert);
    char text[64];
    (void)snprintf(text, sizeof text, "tapedeck %016" PRIx64 " (made for this run)", number);
    return X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)text, -1, -1,
                                      0) == 1 &&
           X509_set_issuer_name(cert, name) == 1;
}

/* Fill in the certificate. It has CA:TRUE because some clients (Go, rustls) accept only CA
 * certificates as trust anchors. */
static int fill_certificate(X509 *cert, EVP_PKEY *key, uint64_t wall_ns)
{
    uint64_t number = 0;
    int is_random = RAND_bytes((unsigned char *)&number, sizeof number) == 1;
    number = number >> 1 | 1; /* a serial number must be positive (RFC 5280, 4.1.2.2) */
    return is_random && X509_set_version(cert, 2) == 1 &&
           ASN1_INTEGER_set_uint64(X509_get_serialNumber(cert), number) == 1 &&
           set_validity(cert, wall_ns) && set_names(cert, number) &&
           X509_set_pubkey(cert, key) == 1 &&
           add_extension(cert, NID_basic_constraints, "critical,CA:TRUE,pathlen:0") &&
           add_extension(cert, NID_key_usage, "critical,digitalSignature,keyCertSign") &&
           add_extension(cert, NID_ext_key_usage, "serverAuth") &&
           add_extension(cert, NID_subject_alt_name, "DNS:localhost,IP:127.0.0.1,IP:::1") &&
           add_extension(cert, NID_subject_key_identifier, "hash") &&
           add_extension(cert, NID_authority_key_identifier, "keyid:always") &&
           X509_sign(cert, key, EVP_sha256()) > 0;
}

/* ---- contexts and sessions ---- */

void tls_context_close(SSL_CTX *context)
{
    SSL_CTX_free(context);
}

static SSL_CTX *open_context(const SSL_METHOD *method)
{
    SSL_CTX *context = SSL_CTX_new(method);
    TD_ASSERT(context != NULL);
    int is_set = SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) == 1;
    TD_ASSERT(is_set);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION); /* a peer could request it endlessly */
    return context;
}

static int choose_protocol(SSL *ssl, const unsigned char **out, unsigned char *out_bytes,
                           const unsigned char *offered, unsigned offered_bytes, void *unused)
{
    (void)ssl;
    (void)unused;
    unsigned char *chosen = NULL;
    int rc = SSL_select_next_proto(&chosen, out_bytes, HTTP_1_1, sizeof HTTP_1_1 - 1, offered,
                                   offered_bytes);
    *out = chosen;
    return rc == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_NOACK;
}

static SSL_CTX *open_server_context(void)
{
    SSL_CTX *context = open_context(TLS_server_method());
    SSL_CTX_set_alpn_select_cb(context, choose_protocol, NULL);
    return context;
}

td_result tls_server_context_make(uint64_t wall_ns, SSL_CTX **out, td_err *err)
{
    SSL_CTX *context = open_server_context();
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *cert = X509_new();
    int is_made = key != NULL && cert != NULL && fill_certificate(cert, key, wall_ns) &&
                  SSL_CTX_use_certificate(context, cert) == 1 &&
                  SSL_CTX_use_PrivateKey(context, key) == 1;
    EVP_PKEY_free(key);
    X509_free(cert);
    *out = is_made ? context : NULL;
    if (is_made)
        return TD_OK;
    SSL_CTX_free(context);
    return td_err_set(err, TD_E_IO, "cannot make a certificate: %s", take_reason());
}

td_result tls_server_context_load(const char *cert_path, const char *key_path, SSL_CTX **out,
                                  td_err *err)
{
    SSL_CTX *context = open_server_context();
    td_result rc = TD_OK;
    ERR_clear_error();
    if (SSL_CTX_use_certificate_chain_file(context, cert_path) != 1)
        rc = td_err_set(err, TD_E_INVALID, "certificate file '%s': %s", cert_path, take_reason());
    else if (SSL_CTX_use_PrivateKey_file(context, key_path, SSL_FILETYPE_PEM) != 1)
        rc = td_err_set(err, TD_E_INVALID,
                        "key file '%s' does not hold the key of the certificate in '%s': %s",
                        key_path, cert_path, take_reason());
    *out = rc == TD_OK ? context : NULL;
    if (rc != TD_OK)
        SSL_CTX_free(context);
    return rc;
}

char *tls_server_root_pem(SSL_CTX *context)
{
    STACK_OF(X509) *chain = NULL;
    X509 *cert = SSL_CTX_get0_certificate(context);
    X509 *root = NULL;
    (void)SSL_CTX_get0_chain_certs(context, &chain);
    for (int i = 0; cert != NULL; cert = sk_X509_value(chain, i++))
        root = X509_self_signed(cert, 0) == 1 ? cert : root;
    ERR_clear_error();
    if (root == NULL)
        return NULL;
    BIO *memory = BIO_new(BIO_s_mem());
    char *text = NULL;
    int is_written = memory != NULL && PEM_write_bio_X509(memory, root) == 1;
    TD_ASSERT(is_written);
    long size = BIO_get_mem_data(memory, &text);
    char *pem = td_strndup(text, (size_t)size);
    BIO_free(memory);
    return pem;
}

SSL *tls_server_session(SSL_CTX *context)
{
    SSL *ssl = SSL_new(context);
    TD_ASSERT(ssl != NULL);
    SSL_set_accept_state(ssl);
    return ssl;
}

td_result tls_client_context_open(const char *ca_file, SSL_CTX **out, td_err *err)
{
    SSL_CTX *context = open_context(TLS_client_method());
    ERR_clear_error();
    int is_loaded = ca_file == NULL ? SSL_CTX_set_default_verify_paths(context)
                                    : SSL_CTX_load_verify_file(context, ca_file);
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, tls_verify);
    *out = is_loaded == 1 ? context : NULL;
    if (is_loaded == 1)
        return TD_OK;
    SSL_CTX_free(context);
    return td_err_set(err, TD_E_INVALID, "CA file '%s': no certificate can be read from it: %s",
                      ca_file == NULL ? "of the system" : ca_file, take_reason());
}

SSL *tls_client_session(SSL_CTX *context, tls_check *check)
{
    SSL *ssl = SSL_new(context);
    TD_ASSERT(ssl != NULL);
    SSL_set_connect_state(ssl);
    SSL_set_app_data(ssl, check);
    int rc = SSL_set_alpn_protos(ssl, HTTP_1_1, sizeof HTTP_1_1 - 1);
    TD_ASSERT(rc == 0);
    if (!check->url->is_numeric)
        rc = SSL_set_tlsext_host_name(ssl, check->url->host) != 1;
    TD_ASSERT(rc == 0); /* a URL's host is short enough */
    return ssl;
}
