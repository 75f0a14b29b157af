/* Any bytes as a configuration file. Besides not crashing: a refused file has an error that names
 * it, nothing is left open, and accepted values are within their limits: every feed has a family, a
 * valid name and topics, and no two feeds share a name. */
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "tests/testing/files.h"
#include "tests/testing/io_fault.h"
#include "archive/archive.h"
#include "recorder/config.h"
#include "tests/testing/fuzz_input.h"

static const char NAME[] = "feeds.yaml";

static void check_feed(const recorder_config *config, size_t index)
{
    const feed_config *feed = &config->feeds[index];
    TD_ASSERT(feed->family != NULL);
    TD_ASSERT(feed->url != NULL);
    TD_ASSERT(feed_name_is_valid(feed->name));
    TD_ASSERT((feed->api_key_env == NULL) == (feed->api_secret_env == NULL));
    TD_ASSERT(feed->http_count <= LIMIT_FEED_HTTP);
    for (size_t i = 0; i < feed->http_count; i++)
        TD_ASSERT(feed->http[i].name[0] != '\0');
    for (size_t i = 0; i < index; i++)
        TD_ASSERT(strcmp(config->feeds[i].name, feed->name) != 0);
}

static void check_settled(const recorder_config *config)
{
    TD_ASSERT(config->feed_count > 0);
    TD_ASSERT(config->feed_count <= LIMIT_FEEDS);
    TD_ASSERT(config->pipeline.commit_interval_ns > 0);
    for (size_t i = 0; i < config->feed_count; i++)
        check_feed(config, i);
}

static void check_refusal(td_result rc, const td_err *err)
{
    TD_ASSERT(rc == TD_E_INVALID || rc == TD_E_LIMIT || rc == TD_E_NOTFOUND);
    TD_ASSERT(strstr(err->text, NAME) != NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static recorder_config config; /* too large for the stack */
    io_fault *disk = io_fault_open();
    td_err err;
    td_err_clear(&err);
    file_make(io_fault_io(disk), NAME, data, size);
    config_init(&config);
    td_result rc = config_load(&config, io_fault_io(disk), NAME, &err);
    if (rc == TD_OK)
        rc = config_finish(&config, &err);
    if (rc == TD_OK)
        check_settled(&config);
    else
        check_refusal(rc, &err);
    config_fini(&config);
    TD_ASSERT(io_fault_open_count(disk) == 0);
    io_fault_close(disk);
    return 0;
}
