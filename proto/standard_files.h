/* Standard input, output and error: the descriptors 0, 1 and 2.
 *
 * A program may be started with some of them closed. The next file that it opens would get that number, and text
 * for the log or the terminal would be written into a database or a client's connection. */
#ifndef SOWER_PROTO_STANDARD_FILES_H
#define SOWER_PROTO_STANDARD_FILES_H

/* Opens /dev/null under each number that is free, so that reading or writing it fails as for a closed descriptor.
 * Call it before anything else opens a file. */
void sower_standard_files_take(void);

#endif
