/* Debian's libjansson.a can be part of a shared library except for one place: json_loadf, which the library does not
 * use, compares its file with stdin. The Makefile lets it refer to this variable instead. */
#include <stdio.h>

extern FILE *sower_unused_stdin;
FILE *sower_unused_stdin;
