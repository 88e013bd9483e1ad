/* Scripts: what one connection of the HTTP fuzzer sends, and how.
 *
 * A script is made from a seed and a number alone, so that any one can be repeated. It holds one request or
 * several behind one another, mostly near to what is right: each part (the end of a line, the method, the
 * target, headers, the framing of a body) is now and then wrong. Every third request is made so long that it
 * ends around a size where the server's memory of a connection runs out, by one part that is repeated. Some
 * scripts have bytes changed or are cut short; some are sent in pieces. */
#ifndef SOWER_TESTS_FUZZ_HTTP_SCRIPT_H
#define SOWER_TESTS_FUZZ_HTTP_SCRIPT_H

#include <stddef.h>
#include <stdint.h>

enum { SCRIPT_MAX = 512 * 1024, SCRIPT_PIECES_MAX = 8 };

enum script_end {
    SCRIPT_HALF_CLOSE, /* the sending side is closed, and the answers are read to their end */
    SCRIPT_WAIT,       /* an answer is waited for, then the connection is closed */
    SCRIPT_CLOSE,      /* it is closed at once */
    SCRIPT_RESET,      /* the same, by a reset */
};

struct script {
    size_t length;
    size_t pieces[SCRIPT_PIECES_MAX]; /* where each ends; the last one at `length` */
    size_t piece_count;
    enum script_end end;
    char bytes[SCRIPT_MAX];
};

void script_make(struct script *script, uint64_t seed, uint64_t number);

#endif
