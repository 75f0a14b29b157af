/* Describes a peer's certificate, and explains why it is rejected and how a user can fix that. */
#include "wire/tls.h"

#include <stdarg.h>
#include <stdio.h>

#include <arpa/inet.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "base/assert.h"

enum { NAMES_SHOWN_MAX = 6 };

static BIO *open_text_bio(void)
{
    BIO *bio = BIO_new(BIO_s_mem());
    TD_ASSERT(bio != NULL);
    return bio;
}

/* Get the text, truncated if too long, and free the BIO. */
static void close_text_bio(BIO *bio, char out[TLS_TEXT_BYTES])
{
    int size = BIO_read(bio, out, TLS_TEXT_BYTES - 1);
    out[size > 0 ? size : 0] = '\0';
    BIO_free(bio);
}

static void name_text(const X509_NAME *name, char out[TLS_TEXT_BYTES])
{
    BIO *bio = open_text_bio();
    (void)X509_NAME_print_ex(bio, name, 0, XN_FLAG_ONELINE); /* on failure the text is empty */
    close_text_bio(bio, out);
}

static void time_text(const ASN1_TIME *time, char out[TLS_TEXT_BYTES])
{
    BIO *bio = open_text_bio();
    (void)ASN1_TIME_print(bio, time); /* on failure the text is empty */
    close_text_bio(bio, out);
}

/* Print a DNS name or an address; skip other kinds. */
static void print_name(BIO *bio, const GENERAL_NAME *name)
{
    char address[INET6_ADDRSTRLEN];
    int kind = 0;
    const ASN1_STRING *value = GENERAL_NAME_get0_value(name, &kind);
    const unsigned char *bytes = ASN1_STRING_get0_data(value);
    int size = ASN1_STRING_length(value);
    const char *separator = BIO_pending(bio) == 0 ? "" : ", ";
    if (kind == GEN_DNS)
        BIO_printf(bio, "%s%.*s", separator, size, (const char *)bytes);
    else if (kind == GEN_IPADD && (size == 4 || size == 16) &&
             inet_ntop(size == 4 ? AF_INET : AF_INET6, bytes, address, sizeof address) != NULL)
        BIO_printf(bio, "%s%s", separator, address);
}

/* The hosts that a certificate is for: "localhost, 127.0.0.1". */
static void host_text(const X509 *cert, char out[TLS_TEXT_BYTES])
{
    BIO *bio = open_text_bio();
    GENERAL_NAMES *names = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
    int count = names == NULL ? 0 : sk_GENERAL_NAME_num(names);
    for (int i = 0; i < count && i < NAMES_SHOWN_MAX; i++)
        print_name(bio, sk_GENERAL_NAME_value(names, i));
    if (count > NAMES_SHOWN_MAX)
        BIO_printf(bio, " and %d more", count - NAMES_SHOWN_MAX);
    if (BIO_pending(bio) == 0)
        (void)X509_NAME_print_ex(bio, X509_get_subject_name(cert), 0, XN_FLAG_ONELINE);
    GENERAL_NAMES_free(names);
    close_text_bio(bio, out);
}

void tls_describe(SSL *ssl, tls_agreed *out)
{
    const X509 *cert = SSL_get0_peer_certificate(ssl);
    *out = (tls_agreed){.version = SSL_get_version(ssl), .cipher = SSL_get_cipher_name(ssl)};
    if (cert != NULL)
        name_text(X509_get_subject_name(cert), out->subject);
}

/* Note why the certificate is rejected. The text is truncated if too long. */
TD_PRINTF(3, 4)
static void reject(tls_check *check, wire_cause cause, const char *format, ...)
{
    va_list values;
    va_start(values, format);
    check->cause = cause;
    (void)vsnprintf(check->text, sizeof check->text, format, values);
    va_end(values);
}

static void explain_untrusted(X509_STORE_CTX *store, tls_check *check)
{
    X509 *cert = X509_STORE_CTX_get_current_cert(store);
    const char *host = check->url->host;
    int error = X509_STORE_CTX_get_error(store);
    char text[TLS_TEXT_BYTES];
    switch (error) {
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    case X509_V_ERR_CERT_SIGNATURE_FAILURE:
        name_text(X509_get_issuer_name(cert), text);
        if (check->ca_file == NULL)
            reject(check, WIRE_CAUSE_TLS_UNTRUSTED,
                   "the certificate of %s is signed by '%s', which is not a CA that this system"
                   " trusts; if it should be trusted, give that CA with --ca-file",
                   host, text);
        else
            reject(check, WIRE_CAUSE_TLS_UNTRUSTED,
                   "the certificate of %s is signed by '%s', which is not in the CA file '%s'",
                   host, text, check->ca_file);
        break;
    case X509_V_ERR_CERT_HAS_EXPIRED:
        time_text(X509_get0_notAfter(cert), text);
        reject(check, WIRE_CAUSE_TLS_UNTRUSTED,
               "the certificate of %s expired on %s; if that is in the future, this machine's"
               " clock is wrong",
               host, text);
        break;
    case X509_V_ERR_CERT_NOT_YET_VALID:
        time_text(X509_get0_notBefore(cert), text);
        reject(check, WIRE_CAUSE_TLS_UNTRUSTED,
               "the certificate of %s is valid from %s only; if that is past, this machine's clock"
               " is wrong",
               host, text);
        break;
    default:
        reject(check, WIRE_CAUSE_TLS_UNTRUSTED, "the certificate of %s cannot be accepted: %s",
               host, X509_verify_cert_error_string(error));
        break;
    }
}

static int is_for_host(X509 *cert, const td_server_url *url)
{
    if (url->is_numeric)
        return X509_check_ip_asc(cert, url->host, 0) == 1;
    return X509_check_host(cert, url->host, 0, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS, NULL) == 1;
}

int tls_verify(int is_good, X509_STORE_CTX *store)
{
    SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
    tls_check *check = SSL_get_app_data(ssl);
    const td_server_url *url = check->url;
    if (check->cause != WIRE_CAUSE_NONE)
        return 0; /* report only the first problem */
    if (!is_good) {
        explain_untrusted(store, check);
    } else if (X509_STORE_CTX_get_error_depth(store) == 0) {
        X509 *cert = X509_STORE_CTX_get_current_cert(store);
        TD_ASSERT(cert != NULL);
        if (!is_for_host(cert, url)) {
            char hosts[TLS_TEXT_BYTES];
            host_text(cert, hosts);
            X509_STORE_CTX_set_error(store, url->is_numeric ? X509_V_ERR_IP_ADDRESS_MISMATCH
                                                            : X509_V_ERR_HOSTNAME_MISMATCH);
            reject(check, WIRE_CAUSE_TLS_WRONG_HOST,
                   "the certificate is good, but not for %s: it is for %s; connect to one of these,"
                   " or find out which server answers in its place",
                   url->host, hosts);
        }
    }
    return check->cause == WIRE_CAUSE_NONE;
}
