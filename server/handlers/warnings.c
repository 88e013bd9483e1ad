#include "server/handlers/warnings.h"

#include <stdio.h>

enum { WARNING_MAX = 512 };

/* All warnings, separated by blanks, cut if they are too long. */
static void list_warnings(const json_t *warnings, char text[WARNING_MAX])
{
    size_t i, length = 0;
    json_t *warning;
    text[0] = '\0';
    json_array_foreach(warnings, i, warning)
    {
        if (length < WARNING_MAX) {
            length += (size_t)snprintf(text + length, WARNING_MAX - length, "%s%s", i == 0 ? "" : " ",
                                       json_string_value(warning));
        }
    }
}

void sower_warnings_add_header(struct MHD_Response **response, const json_t *warnings)
{
    char text[WARNING_MAX];
    list_warnings(warnings, text);
    for (char *at = text; *at != '\0'; at++) {
        if (*at < ' ' || *at > '~') { /* a header is printable ASCII */
            *at = '?';
        }
    }
    if (text[0] != '\0') {
        sower_reply_header(response, "Sower-Warning", text);
    }
}

void sower_warnings_log(struct sower_log_line *line, const json_t *warnings)
{
    char text[WARNING_MAX];
    list_warnings(warnings, text);
    if (text[0] != '\0') {
        sower_log_string(line, "warning", text);
    }
}
