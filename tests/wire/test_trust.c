/* Certificates, and how servers start. Expected values are what was sent, and the texts of
 * wire/client.h and wire/tls.h; certificates with other dates are made by openssl(1). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/io_posix.h"
#include "tests/testing/files.h"
#include "tests/testing/wire_echo.h"
#include "tests/testing/wire_side.h"

static void test_ready_file(void **state)
{
    (void)state;
    echo e;
    echo_open(&e, NULL);
    char text[512] = "";
    char expected[512];
    FILE *file = fopen(e.ready, "r");
    assert_non_null(file);
    assert_true(fread(text, 1, sizeof text - 1, file) > 0);
    fclose(file);
    (void)snprintf(expected, sizeof expected, "{\"url\":\"%s\",\"ca_file\":\"%s\"}\n",
                   wire_server_url(e.server), e.pem);
    assert_string_equal(text, expected);
    file = fopen(e.pem, "r");
    char pem[4096] = "";
    assert_true(fread(pem, 1, sizeof pem - 1, file) > 0);
    fclose(file);
    assert_string_equal(pem, wire_server_ca_pem(e.server));
    assert_non_null(strstr(pem, "BEGIN CERTIFICATE"));
    assert_null(strstr(pem, "PRIVATE"));
    /* Replaces the existing file; fails if the folder is missing. */
    td_err err;
    assert_int_equal(wire_server_write_ready(e.server, io_posix(), e.ready, &err), TD_OK);
    assert_int_not_equal(
        wire_server_write_ready(e.server, io_posix(), "/tmp/no-such-folder-td/x", &err), TD_OK);
    assert_non_null(strstr(err.text, "/tmp/no-such-folder-td/x"));
    echo_close(&e);
}

static void test_trust(void **state)
{
    (void)state;
    echo e, other;
    wire_side side;
    echo_open(&e, NULL);
    echo_open(&other, NULL);
    /* The system does not trust the issuer. */
    wire_side_connect(&side, e.loop, echo_url(&e, "/realtime"), NULL);
    wire_side_expect_end(&side, WIRE_CAUSE_TLS_UNTRUSTED, "give that CA with --ca-file");
    /* With another server's certificate as CA. */
    wire_client_options options = {.ca_file = other.pem};
    wire_side_connect(&side, e.loop, echo_url(&e, "/realtime"), &options);
    wire_side_expect_end(&side, WIRE_CAUSE_TLS_UNTRUSTED, "which is not in the CA file");
    assert_non_null(strstr(side.text, other.pem));
    /* With a file that is not a CA file. */
    options.ca_file = e.ready;
    wire_side_connect(&side, e.loop, echo_url(&e, "/realtime"), &options);
    wire_side_expect_end(&side, WIRE_CAUSE_TLS_UNTRUSTED, "no certificate can be read from it");
    options.ca_file = "/no/such/file";
    wire_side_connect(&side, e.loop, echo_url(&e, "/realtime"), &options);
    wire_side_expect_end(&side, WIRE_CAUSE_TLS_UNTRUSTED, "/no/such/file");
    assert_int_equal(e.opened, 0);
    /* The right CA, in the same loop: earlier failures have no effect. */
    echo_join(&e, &side);
    assert_int_equal(strncmp(side.tls_subject, "CN = tapedeck ", 14), 0);
    assert_non_null(strstr(side.tls_subject, " (made for this run)"));
    echo_close(&other);
    echo_close(&e);
}

/* The certificate is for localhost, 127.0.0.1 and ::1, and 127.0.0.2 reaches the same server. */
static void test_wrong_host(void **state)
{
    (void)state;
    echo e;
    wire_side side;
    wire_server_options options = {.listen = "0.0.0.0:0"};
    echo_open(&e, &options);
    char url[128];
    const char *port = strrchr(wire_server_url(e.server), ':') + 1;
    (void)snprintf(url, sizeof url, "wss://127.0.0.2:%s/realtime", port);
    wire_client_options client = {.ca_file = e.pem};
    wire_side_connect(&side, e.loop, url, &client);
    wire_side_expect_end(&side, WIRE_CAUSE_TLS_WRONG_HOST,
                         "not for 127.0.0.2: it is for localhost, 127.0.0.1, ");
    assert_int_equal(e.opened, 0);
    (void)snprintf(url, sizeof url, "wss://localhost:%s/realtime", port);
    wire_side_connect(&side, e.loop, url, &client);
    wire_run_until(e.loop, &side.opened, 1, "localhost");
    echo_close(&e);
}

/* A certificate from files, made by openssl(1): one expired in 2001, one becomes valid in 2100. */
static void test_certificate_files(void **state)
{
    (void)state;
    char folder[TEMP_FOLDER_BYTES];
    temp_folder_make(TEMP_ON_DISK, folder);
    char command[1024], cert[128], key[128];
    (void)snprintf(cert, sizeof cert, "%s/cert.pem", folder);
    (void)snprintf(key, sizeof key, "%s/key.pem", folder);
    static const struct {
        const char *dates, *words;
    } ROWS[] = {{"-not_before 20000101000000Z -not_after 20010101000000Z", "expired on Jan  1"},
                {"-not_before 21000101000000Z -not_after 21010101000000Z", "valid from Jan  1"}};
    (void)snprintf(command, sizeof command,
                   "cd %s && openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes"
                   " -keyout key.pem -out cert.pem -days 1 -subj /CN=t"
                   " -addext subjectAltName=IP:127.0.0.1 2>/dev/null",
                   folder);
    assert_int_equal(system(command), 0);
    wire_server_options options = {.tls_cert = cert, .tls_key = key};
    echo e;
    wire_side side;
    echo_open(&e, &options);
    echo_join(&e, &side);
    assert_string_equal(side.tls_subject, "CN = t");
    echo_close(&e);
    for (size_t i = 0; i < sizeof ROWS / sizeof *ROWS; i++) {
        (void)snprintf(
            command, sizeof command,
            "cd %s && touch db && openssl req -new -key key.pem -subj /CN=t -out r 2>/dev/null"
            " && printf '[ca]\\ndefault_ca=d\\n[d]\\ndatabase=db\\nnew_certs_dir=.\\n"
            "rand_serial=yes\\ndefault_md=sha256\\npolicy=p\\nunique_subject=no\\n[p]\\n"
            "commonName=supplied\\n' > c && openssl ca -config c -batch -selfsign -keyfile"
            " key.pem -in r -out cert.pem -notext -startdate %.15s -enddate %.15s"
            " 2>/dev/null",
            folder, ROWS[i].dates + 12, strstr(ROWS[i].dates, "after") + 6);
        assert_int_equal(system(command), 0);
        echo_open(&e, &options);
        echo_connect(&e, &side, "/realtime");
        wire_side_expect_end(&side, WIRE_CAUSE_TLS_UNTRUSTED, ROWS[i].words);
        echo_close(&e);
    }
    temp_folder_remove(folder);
}

static void test_server_refused(void **state)
{
    (void)state;
    char folder[TEMP_FOLDER_BYTES];
    temp_folder_make(TEMP_ON_DISK, folder);
    char junk[128];
    (void)snprintf(junk, sizeof junk, "%s/junk.pem", folder);
    file_write_text(junk, "no certificate\n");
    echo e;
    echo_open(&e, NULL);
    const struct {
        wire_server_options options;
        const char *words;
    } rows[] = {
        {{.listen = "127.0.0.1"}, "PORT"},
        {{.listen = "tapedeck.invalid:0"}, "no such address"},
        {{.listen = "127.0.0.1:0", .tls_cert = junk}, "both a certificate and its key"},
        {{.listen = "127.0.0.1:0", .tls_cert = junk, .tls_key = junk}, "no start line"},
        {{.listen = "127.0.0.1:0", .tls_cert = "/no/such/file", .tls_key = junk},
         "'/no/such/file': No such file"},
        {{.listen = "127.0.0.1:0", .tls_cert = e.pem, .tls_key = junk}, "junk.pem"},
    };
    td_err err;
    wire_server *server = NULL;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        wire_server_options options = rows[i].options;
        options.ops = &ECHO_OPS;
        assert_int_equal(wire_server_open(e.loop, &options, &server, &err), TD_E_INVALID);
        assert_null(server);
        print_message("%s\n", err.text);
        assert_non_null(strstr(err.text, rows[i].words));
    }
    wire_server_options taken = {.listen = strstr(wire_server_url(e.server), "127"),
                                 .ops = &ECHO_OPS};
    assert_int_equal(wire_server_open(e.loop, &taken, &server, &err), TD_E_NETWORK);
    assert_non_null(strstr(err.text, "Address already in use"));
    assert_non_null(strstr(err.hint, "port 0"));
    echo_close(&e);
    temp_folder_remove(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ready_file),     cmocka_unit_test(test_trust),
        cmocka_unit_test(test_wrong_host),     cmocka_unit_test(test_certificate_files),
        cmocka_unit_test(test_server_refused),
    };
    return cmocka_run_group_tests_name("wire/trust", tests, NULL, NULL);
}
