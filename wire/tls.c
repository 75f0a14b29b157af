#include "wire/tls.h"

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

enum { MADE_VALID_BEFORE_S = 3600, MADE_VALID_DAYS = 365, SERIAL_BYTES = 16, CHAIN_MAX = 16 };

struct tls_identity {
    X509 *certs[CHAIN_MAX]; /* the server's own first */
    size_t cert_count;
    EVP_PKEY *key;
    char *pem;
};

/* The newest of OpenSSL's own errors as text, and its queue emptied. */
static td_result openssl_failed(td_result code, td_err *err, const char *what)
{
    unsigned long error = ERR_peek_last_error();
    const char *reason = ERR_reason_error_string(error);
    ERR_clear_error();
    return td_err_set(err, code, "%s: %s", what, reason == NULL ? "failed" : reason);
}

/* ---- making a certificate ---- */

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

static int set_serial(X509 *cert)
{
    unsigned char bytes[SERIAL_BYTES];
    if (RAND_bytes(bytes, sizeof bytes) != 1)
        return 0;
    bytes[0] &= 0x7f; /* positive (RFC 5280, 4.1.2.2) */
    bytes[0] |= 0x40;
    BIGNUM *number = BN_bin2bn(bytes, sizeof bytes, NULL);
    int is_set = number != NULL && BN_to_ASN1_INTEGER(number, X509_get_serialNumber(cert)) != NULL;
    BN_free(number);
    return is_set;
}

static int set_validity(X509 *cert, uint64_t wall_ns)
{
    time_t now = (time_t)(wall_ns / TD_NS_PER_S);
    return X509_time_adj_ex(X509_getm_notBefore(cert), 0, -MADE_VALID_BEFORE_S, &now) != NULL &&
           X509_time_adj_ex(X509_getm_notAfter(cert), MADE_VALID_DAYS, 0, &now) != NULL;
}

static int set_names(X509 *cert)
{
    X509_NAME *name = X509_get_subject_name(cert);
    static const unsigned char TEXT[] = "tapedeck (made for this run)";
    return X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, TEXT, -1, -1, 0) == 1 &&
           X509_set_issuer_name(cert, name) == 1;
}

/* CA:TRUE because some clients (Go, rustls) only take a root as trust anchor if it says so. */
static int fill_certificate(X509 *cert, EVP_PKEY *key, uint64_t wall_ns)
{
    return X509_set_version(cert, 2) == 1 && set_serial(cert) && set_validity(cert, wall_ns) &&
           set_names(cert) && X509_set_pubkey(cert, key) == 1 &&
           add_extension(cert, NID_basic_constraints, "critical,CA:TRUE,pathlen:0") &&
           add_extension(cert, NID_key_usage, "critical,digitalSignature,keyCertSign") &&
           add_extension(cert, NID_ext_key_usage, "serverAuth") &&
           add_extension(cert, NID_subject_alt_name, "DNS:localhost,IP:127.0.0.1,IP:::1") &&
           add_extension(cert, NID_subject_key_identifier, "hash") &&
           X509_sign(cert, key, EVP_sha256()) > 0;
}

/* Clients trust an issuer, and a certificate that is its own; not one that another has signed. */
static td_result write_pem(tls_identity *identity, td_err *err)
{
    BIO *memory = BIO_new(BIO_s_mem());
    int is_written = memory != NULL;
    X509 *root = NULL;
    for (size_t i = 0; i < identity->cert_count; i++) {
        if (X509_self_signed(identity->certs[i], 0) == 1)
            root = identity->certs[i];
    }
    ERR_clear_error();
    if (root == NULL) {
        BIO_free(memory);
        return TD_OK;
    }
    is_written = is_written && PEM_write_bio_X509(memory, root) == 1;
    char *text = NULL;
    long size = is_written ? BIO_get_mem_data(memory, &text) : 0;
    if (size > 0)
        identity->pem = td_strndup(text, (size_t)size);
    BIO_free(memory);
    return identity->pem == NULL ? openssl_failed(TD_E_IO, err, "cannot write a certificate")
                                 : TD_OK;
}

td_result tls_identity_make(uint64_t wall_ns, tls_identity **out, td_err *err)
{
    *out = NULL;
    td_result rc = TD_OK;
    tls_identity *identity = td_alloc_zero(1, sizeof *identity);
    identity->key = EVP_EC_gen("P-256");
    identity->certs[0] = X509_new();
    identity->cert_count = identity->certs[0] != NULL;
    if (identity->key == NULL || identity->certs[0] == NULL ||
        !fill_certificate(identity->certs[0], identity->key, wall_ns))
        rc = openssl_failed(TD_E_IO, err, "cannot make a certificate");
    if (rc == TD_OK)
        rc = write_pem(identity, err);
    if (rc != TD_OK) {
        tls_identity_close(identity);
        return rc;
    }
    TD_ASSERT(identity->cert_count == 1);
    *out = identity;
    return TD_OK;
}

/* ---- loading one ---- */

static td_result load_certificates(tls_identity *identity, const char *path, td_err *err)
{
    BIO *file = BIO_new_file(path, "r");
    if (file == NULL)
        return openssl_failed(TD_E_INVALID, err, "cannot open it");
    X509 *cert = NULL;
    while (identity->cert_count < CHAIN_MAX &&
           (cert = PEM_read_bio_X509(file, NULL, NULL, NULL)) != NULL)
        identity->certs[identity->cert_count++] = cert;
    BIO_free(file);
    if (identity->cert_count == 0)
        return openssl_failed(TD_E_INVALID, err, "it holds no PEM certificate");
    ERR_clear_error(); /* the end of the file is an error to PEM_read */
    return TD_OK;
}

static td_result load_key(tls_identity *identity, const char *path, td_err *err)
{
    BIO *file = BIO_new_file(path, "r");
    if (file == NULL)
        return openssl_failed(TD_E_INVALID, err, "cannot open it");
    identity->key = PEM_read_bio_PrivateKey(file, NULL, NULL, NULL);
    BIO_free(file);
    if (identity->key == NULL)
        return openssl_failed(TD_E_INVALID, err, "it holds no PEM key");
    return TD_OK;
}

td_result tls_identity_load(const char *cert_path, const char *key_path, tls_identity **out,
                            td_err *err)
{
    *out = NULL;
    tls_identity *identity = td_alloc_zero(1, sizeof *identity);
    td_result rc = load_certificates(identity, cert_path, err);
    if (rc != TD_OK) {
        td_err_add(err, rc, "certificate file '%s'", cert_path);
        goto done;
    }
    rc = load_key(identity, key_path, err);
    if (rc != TD_OK) {
        td_err_add(err, rc, "key file '%s'", key_path);
        goto done;
    }
    if (X509_check_private_key(identity->certs[0], identity->key) != 1) {
        ERR_clear_error();
        rc = td_err_set(err, TD_E_INVALID,
                        "the key in '%s' does not belong to the certificate"
                        " in '%s'",
                        key_path, cert_path);
        goto done;
    }
    rc = write_pem(identity, err);
done:
    if (rc != TD_OK) {
        tls_identity_close(identity);
        return rc;
    }
    *out = identity;
    return TD_OK;
}

void tls_identity_close(tls_identity *identity)
{
    if (identity == NULL)
        return;
    for (size_t i = 0; i < identity->cert_count; i++)
        X509_free(identity->certs[i]);
    EVP_PKEY_free(identity->key);
    td_free(identity->pem);
    td_free(identity);
}

const char *tls_identity_pem(const tls_identity *identity)
{
    return identity->pem;
}

/* ---- contexts and sessions ---- */

/* ALPN (RFC 7301): the length before the name. */
static const unsigned char HTTP_1_1[] = "\x08http/1.1";

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
    SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION); /* a peer could ask for it without end */
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

td_result tls_server_context_open(const tls_identity *identity, SSL_CTX **out, td_err *err)
{
    TD_ASSERT(identity->cert_count > 0);
    SSL_CTX *context = open_context(TLS_server_method());
    int is_used = SSL_CTX_use_certificate(context, identity->certs[0]) == 1 &&
                  SSL_CTX_use_PrivateKey(context, identity->key) == 1;
    for (size_t i = 1; i < identity->cert_count && is_used; i++)
        is_used = SSL_CTX_add1_chain_cert(context, identity->certs[i]) == 1;
    SSL_CTX_set_alpn_select_cb(context, choose_protocol, NULL);
    *out = is_used ? context : NULL;
    if (is_used)
        return TD_OK;
    SSL_CTX_free(context);
    return openssl_failed(TD_E_INVALID, err, "certificate cannot be used");
}

static SSL *open_session(SSL_CTX *context)
{
    SSL *ssl = SSL_new(context);
    TD_ASSERT(ssl != NULL);
    return ssl;
}

SSL *tls_server_session(SSL_CTX *context)
{
    SSL *ssl = open_session(context);
    SSL_set_accept_state(ssl);
    return ssl;
}

static int verify(int is_good, X509_STORE_CTX *store)
{
    SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
    return tls_verify(store, is_good, SSL_get_app_data(ssl)) == TLS_TRUSTED;
}

td_result tls_client_context_open(const char *ca_file, SSL_CTX **out, td_err *err)
{
    SSL_CTX *context = open_context(TLS_client_method());
    int is_loaded = ca_file == NULL ? SSL_CTX_set_default_verify_paths(context)
                                    : SSL_CTX_load_verify_file(context, ca_file);
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, verify);
    *out = is_loaded == 1 ? context : NULL;
    if (is_loaded == 1)
        return TD_OK;
    SSL_CTX_free(context);
    td_result rc = openssl_failed(TD_E_INVALID, err, "no certificate can be read from it");
    return td_err_add(err, rc, "CA file '%s'", ca_file == NULL ? "of the system" : ca_file);
}

SSL *tls_client_session(SSL_CTX *context, tls_check *check)
{
    SSL *ssl = open_session(context);
    SSL_set_connect_state(ssl);
    SSL_set_app_data(ssl, check);
    int rc = SSL_set_alpn_protos(ssl, HTTP_1_1, sizeof HTTP_1_1 - 1);
    TD_ASSERT(rc == 0);
    if (!check->url->is_numeric)
        rc = SSL_set_tlsext_host_name(ssl, check->url->host) != 1;
    TD_ASSERT(rc == 0); /* a URL's host is short enough */
    return ssl;
}

void tls_describe(SSL *ssl, tls_agreed *out)
{
    memset(out, 0, sizeof *out);
    out->version = SSL_get_version(ssl);
    out->cipher = SSL_get_cipher_name(ssl);
    X509 *cert = SSL_get1_peer_certificate(ssl);
    if (cert == NULL)
        return;
    BIO *memory = BIO_new(BIO_s_mem());
    if (memory != NULL &&
        X509_NAME_print_ex(memory, X509_get_subject_name(cert), 0, XN_FLAG_ONELINE) >= 0) {
        int size = BIO_read(memory, out->subject, sizeof out->subject - 1);
        out->subject[size > 0 ? size : 0] = '\0';
    }
    BIO_free(memory);
    X509_free(cert);
}
