/* Scripts: the bytes that one connection of the HTTP fuzzer sends, and how it sends them.
 *
 * A script depends only on a seed and a number, so it can be repeated. It has one or several requests, which are
 * almost correct: each element (the end of a line, the method, the target, headers, the framing of a body) is
 * sometimes wrong. In every third request one element is repeated, so that the request ends near a size where the
 * server's memory for a connection runs out. Some scripts have changed bytes or are cut short; some are sent in
 * pieces. */
#ifndef SOWER_TESTS_FUZZ_HTTP_SCRIPT_H
#define SOWER_TESTS_FUZZ_HTTP_SCRIPT_H

#include <stddef.h>
#include <stdint.h>

enum { SCRIPT_MAX = 512 * 1024, SCRIPT_PIECES_MAX = 8 };

enum script_end {
    SCRIPT_HALF_CLOSE, /* close the sending side, and read the responses to their end */
    SCRIPT_WAIT,       /* wait for a response, then close the connection */
    SCRIPT_CLOSE,      /* close it at once */
    SCRIPT_RESET,      /* close it at once with a reset */
};

struct script {
    size_t length;
    size_t pieces[SCRIPT_PIECES_MAX]; /* the end of each piece; the last one is `length` */
    size_t piece_count;
    enum script_end end;
    char bytes[SCRIPT_MAX];
};

void script_make(struct script *script, uint64_t seed, uint64_t number);

#endif
