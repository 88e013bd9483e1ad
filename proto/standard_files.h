/* Standard input, output and error: the descriptors 0, 1 and 2.
 *
 * A program may be started without some of them. The next file that it opens would get that number, and what
 * is meant for the log or for the terminal would be written into a database or a client's connection. */
#ifndef SOWER_PROTO_STANDARD_FILES_H
#define SOWER_PROTO_STANDARD_FILES_H

/* Takes the numbers that are free, by files that can be read or written no more than a closed one. To be
 * called first of all. */
void sower_standard_files_take(void);

#endif
