#include "view/saved_page.h"

#include <string.h>

#include <zlib.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "view/page.h"

static const char STYLE_LINK[] = "<link rel=\"stylesheet\" href=\"style.css\">";
static const char SCRIPT_LINK[] = "<script type=\"module\" src=\"main.js\"></script>";

/* A script of the page imports others by paths. A script in a data: URL has no path, so they get
 * names, which an import map knows. */
static const char IMPORTED[] = "from \"./";
static const char NAMED[] = "from \"";

/* Nothing is loaded, not even from the folder of the file. */
static const char POLICY[] =
    "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; script-src "
    "'unsafe-inline' data:; style-src 'unsafe-inline'; img-src data: blob:\">\n";

static const char DATA_BEGIN[] = "<script type=\"application/json\" id=\"saved\">";
static const char START[] = "}}</script>\n<script type=\"module\">import \"main.js\";</script>";

static td_bytes text_of(const page_file *file)
{
    return td_bytes_of(file->bytes, file->byte_count);
}

/* The rest of a text from a needle on, or an empty text. */
static td_bytes find(td_bytes in, const char *needle)
{
    const uint8_t *at = memmem(in.data, in.size, needle, strlen(needle));
    return at == NULL ? td_bytes_of(NULL, 0) : td_bytes_of(at, in.size - (size_t)(at - in.data));
}

/* The parts of the HTML: up to the links, and after them. */
static td_bytes html_before(void)
{
    td_bytes all = text_of(page_file_find(""));
    return td_bytes_of(all.data, all.size - find(all, STYLE_LINK).size);
}

static td_bytes html_after(void)
{
    td_bytes rest = find(text_of(page_file_find("")), SCRIPT_LINK);
    TD_ASSERT(rest.size > sizeof SCRIPT_LINK);
    return td_bytes_of(rest.data + sizeof SCRIPT_LINK - 1, rest.size - (sizeof SCRIPT_LINK - 1));
}

static td_result put(td_buf *to, const char *text, td_err *err)
{
    return td_buf_append(to, text, strlen(text), err);
}

static td_result put_base64(td_buf *to, td_bytes from, td_err *err)
{
    static const char DIGITS[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    td_result rc = td_buf_reserve(to, (from.size + 2) / 3 * 4, err);
    for (size_t i = 0; rc == TD_OK && i < from.size; i += 3) {
        const size_t left = from.size - i;
        const uint32_t bits = (uint32_t)from.data[i] << 16 |
                              (left > 1 ? (uint32_t)from.data[i + 1] << 8 : 0) |
                              (left > 2 ? (uint32_t)from.data[i + 2] : 0);
        char group[] = {DIGITS[bits >> 18], DIGITS[bits >> 12 & 63], DIGITS[bits >> 6 & 63],
                        DIGITS[bits & 63]};
        if (left < 3)
            group[3] = '=';
        if (left < 2)
            group[2] = '=';
        td_buf_add(to, group, sizeof group);
    }
    return rc;
}

/* Put a script as a row of the import map. */
static td_result put_script(td_buf *to, const page_file *file, int is_first, td_err *err)
{
    td_buf text;
    td_bytes rest = text_of(file);
    td_buf_init(&text, file->byte_count);
    while (rest.size > 0) {
        const td_bytes next = find(rest, IMPORTED);
        td_buf_add(&text, rest.data, rest.size - next.size);
        if (next.size == 0)
            break;
        td_buf_add(&text, NAMED, sizeof NAMED - 1);
        rest = td_bytes_of(next.data + sizeof IMPORTED - 1, next.size - (sizeof IMPORTED - 1));
    }
    td_result rc = td_buf_printf(to, err, "%s\n\"%s\":\"data:text/javascript;base64,",
                                 is_first ? "" : ",", file->name);
    if (rc == TD_OK)
        rc = put_base64(to, td_buf_view(&text), err);
    if (rc == TD_OK)
        rc = put(to, "\"", err);
    td_buf_fini(&text);
    return rc;
}

static td_result put_scripts(td_buf *to, td_err *err)
{
    td_result rc = put(to, "<script type=\"importmap\">{\"imports\":{", err);
    int is_first = 1;
    for (size_t i = 0; rc == TD_OK && i < PAGE_FILE_COUNT; i++) {
        const size_t size = strlen(PAGE_FILES[i].name);
        if (size < 3 || strcmp(PAGE_FILES[i].name + size - 3, ".js") != 0)
            continue;
        rc = put_script(to, &PAGE_FILES[i], is_first, err);
        is_first = 0;
    }
    return rc == TD_OK ? put(to, "}}</script>\n", err) : rc;
}

td_result saved_page_begin(saved_page *page, uint64_t saved_ns, uint8_t is_damaged, td_err *err)
{
    const page_file *style = page_file_find("style.css");
    const td_bytes before = html_before();
    *page = (saved_page){0};
    td_buf_init(&page->html, SAVED_PAGE_BYTES_MAX - (sizeof START - 1) - html_after().size);
    td_result rc = td_buf_append(&page->html, before.data, before.size, err);
    if (rc == TD_OK)
        rc = put(&page->html, POLICY, err);
    if (rc == TD_OK)
        rc = put(&page->html, "<style>\n", err);
    if (rc == TD_OK)
        rc = td_buf_append(&page->html, style->bytes, style->byte_count, err);
    if (rc == TD_OK)
        rc = put(&page->html, "</style>\n", err);
    if (rc == TD_OK)
        rc = put_scripts(&page->html, err);
    if (rc == TD_OK)
        rc = td_buf_printf(&page->html, err, "%s{\"saved_ms\":%llu,\"is_damaged\":%s,\"answers\":{",
                           DATA_BEGIN, (unsigned long long)(saved_ns / 1000000),
                           is_damaged ? "true" : "false");
    return rc;
}

void saved_page_fini(saved_page *page)
{
    td_buf_fini(&page->html);
}

td_result saved_page_add(saved_page *page, const char *question, td_bytes answer, td_err *err)
{
    const size_t bytes = page->html.size;
    uLongf size = compressBound(answer.size);
    uint8_t *packed = td_alloc(size);
    const int failure = compress2(packed, &size, answer.data, answer.size, Z_BEST_COMPRESSION);
    TD_ASSERT(failure == Z_OK); /* there is place for the largest result */
    td_result rc =
        td_buf_printf(&page->html, err, "%s\n\"%s\":\"", page->answers > 0 ? "," : "", question);
    if (rc == TD_OK)
        rc = put_base64(&page->html, td_bytes_of(packed, size), err);
    if (rc == TD_OK)
        rc = put(&page->html, "\"", err);
    td_free(packed);
    if (rc == TD_OK)
        page->answers++;
    else
        page->html.size = bytes;
    return rc;
}

void saved_page_cut(saved_page *page, size_t bytes, size_t answers)
{
    page->html.size = bytes;
    page->answers = answers;
}

void saved_page_end(saved_page *page)
{
    const td_bytes after = html_after();
    page->html.size_max = SAVED_PAGE_BYTES_MAX;
    td_buf_add(&page->html, START, sizeof START - 1);
    td_buf_add(&page->html, after.data, after.size);
}
