/* Why a peer's certificate is rejected, with what a user can do about it. */
#include "wire/tls.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <arpa/inet.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "base/assert.h"
#include "base/buf.h"

enum { NAMES_SHOWN_MAX = 6, WORDS_BYTES = 200 };

/* Reads what was written to memory into out, one line. */
static void read_words(BIO *memory, char out[WORDS_BYTES])
{
    int size = memory == NULL ? 0 : BIO_read(memory, out, WORDS_BYTES - 1);
    out[size > 0 ? size : 0] = '\0';
    BIO_free(memory);
}

static void name_words(const X509_NAME *name, char out[WORDS_BYTES])
{
    BIO *memory = BIO_new(BIO_s_mem());
    if (memory != NULL)
        (void)X509_NAME_print_ex(memory, name, 0, XN_FLAG_ONELINE); /* else the text lacks it */
    read_words(memory, out);
}

static void time_words(const ASN1_TIME *time, char out[WORDS_BYTES])
{
    BIO *memory = BIO_new(BIO_s_mem());
    if (memory != NULL)
        (void)ASN1_TIME_print(memory, time); /* else the text lacks it */
    read_words(memory, out);
}

/* Appends one name of a certificate; names of other kinds are passed over. */
static td_result append_name(td_buf *out, const GENERAL_NAME *name)
{
    int kind = 0;
    const ASN1_STRING *value = GENERAL_NAME_get0_value(name, &kind);
    const char *separator = out->size == 0 ? "" : ", ";
    if (kind == GEN_DNS)
        return td_buf_printf(out, NULL, "%s%.*s", separator, ASN1_STRING_length(value),
                             (const char *)ASN1_STRING_get0_data(value));
    if (kind != GEN_IPADD)
        return TD_OK;
    char address[INET6_ADDRSTRLEN];
    int family = ASN1_STRING_length(value) == 4 ? AF_INET : AF_INET6;
    if (inet_ntop(family, ASN1_STRING_get0_data(value), address, sizeof address) == NULL)
        return TD_OK;
    return td_buf_printf(out, NULL, "%s%s", separator, address);
}

static td_result append_names(td_buf *out, const GENERAL_NAMES *names)
{
    int count = names == NULL ? 0 : sk_GENERAL_NAME_num(names);
    td_result rc = TD_OK;
    for (int i = 0; i < count && i < NAMES_SHOWN_MAX && rc == TD_OK; i++)
        rc = append_name(out, sk_GENERAL_NAME_value(names, i));
    if (count > NAMES_SHOWN_MAX && rc == TD_OK)
        rc = td_buf_printf(out, NULL, " and %d more", count - NAMES_SHOWN_MAX);
    return rc;
}

/* The hosts that a certificate is for: "localhost, 127.0.0.1". What finds no space is left out. */
static void host_words(const X509 *cert, char out[WORDS_BYTES])
{
    td_buf words;
    td_buf_init(&words, WORDS_BYTES - 1);
    GENERAL_NAMES *names = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
    td_result rc = append_names(&words, names);
    TD_ASSERT(rc == TD_OK || rc == TD_E_LIMIT);
    GENERAL_NAMES_free(names);
    if (words.size == 0) {
        name_words(X509_get_subject_name(cert), out);
    } else {
        memcpy(out, words.data, words.size);
        out[words.size] = '\0';
    }
    td_buf_fini(&words);
}

static void say(tls_finding *finding, tls_verdict verdict, const char *format, ...) TD_PRINTF(3, 4);
static void say(tls_finding *finding, tls_verdict verdict, const char *format, ...)
{
    TD_ASSERT(verdict != TLS_TRUSTED);
    if (finding->verdict != TLS_TRUSTED)
        return; /* the first finding is the one to mend first */
    finding->verdict = verdict;
    va_list values;
    va_start(values, format);
    (void)vsnprintf(finding->text, sizeof finding->text, format, values); /* cut if too long */
    va_end(values);
}

static void explain_untrusted(X509 *cert, const td_server_url *url, const char *ca_file,
                              tls_finding *finding)
{
    char issuer[WORDS_BYTES];
    name_words(X509_get_issuer_name(cert), issuer);
    if (ca_file == NULL)
        say(finding, TLS_UNTRUSTED,
            "the certificate of %s is signed by '%s', which is not a CA that this system trusts;"
            " if it should be trusted, give that CA with --ca-file",
            url->host, issuer);
    else
        say(finding, TLS_UNTRUSTED,
            "the certificate of %s is signed by '%s', which is not in the CA file '%s'", url->host,
            issuer, ca_file);
}

static void explain_refused(X509_STORE_CTX *store, const td_server_url *url, const char *ca_file,
                            tls_finding *finding)
{
    X509 *cert = X509_STORE_CTX_get_current_cert(store);
    int error = X509_STORE_CTX_get_error(store);
    char when[WORDS_BYTES];
    switch (error) {
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    case X509_V_ERR_CERT_SIGNATURE_FAILURE:
        explain_untrusted(cert, url, ca_file, finding);
        break;
    case X509_V_ERR_CERT_HAS_EXPIRED:
        time_words(X509_get0_notAfter(cert), when);
        say(finding, TLS_UNTRUSTED,
            "the certificate of %s expired on %s; if that is in the future, this machine's clock"
            " is wrong",
            url->host, when);
        break;
    case X509_V_ERR_CERT_NOT_YET_VALID:
        time_words(X509_get0_notBefore(cert), when);
        say(finding, TLS_UNTRUSTED,
            "the certificate of %s is valid from %s only; if that is past, this machine's clock"
            " is wrong",
            url->host, when);
        break;
    default:
        say(finding, TLS_UNTRUSTED, "the certificate of %s cannot be accepted: %s", url->host,
            X509_verify_cert_error_string(error));
        break;
    }
}

static int is_for_host(X509 *cert, const td_server_url *url)
{
    if (url->is_numeric)
        return X509_check_ip_asc(cert, url->host, 0) == 1;
    return X509_check_host(cert, url->host, 0, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS, NULL) == 1;
}

tls_verdict tls_verify(X509_STORE_CTX *store, int is_good, tls_check *check)
{
    const td_server_url *url = check->url;
    tls_finding *finding = &check->finding;
    if (!is_good) {
        explain_refused(store, url, check->ca_file, finding);
    } else if (X509_STORE_CTX_get_error_depth(store) == 0) {
        X509 *cert = X509_STORE_CTX_get_current_cert(store);
        TD_ASSERT(cert != NULL);
        if (!is_for_host(cert, url)) {
            char hosts[WORDS_BYTES];
            host_words(cert, hosts);
            X509_STORE_CTX_set_error(store, url->is_numeric ? X509_V_ERR_IP_ADDRESS_MISMATCH
                                                            : X509_V_ERR_HOSTNAME_MISMATCH);
            say(finding, TLS_WRONG_HOST,
                "the certificate is good, but not for %s: it is for %s; connect to one of these, or"
                " find out which server answers in its place",
                url->host, hosts);
        }
    }
    return finding->verdict;
}
