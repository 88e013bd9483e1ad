/* Content-Disposition (RFC 6266): the file name that an answer suggests, for browsers and `curl -OJ`.
 *
 *   attachment; filename="w_.npy"; filename*=UTF-8''w%C3%BC.npy
 *
 * A name is whatever a client called its tensor, and the file is made on the machine of somebody who may not
 * have chosen it. So the name is made harmless in both forms: characters that separate paths, that a file
 * system or a shell may take for something else (" \ / : * ? < > | %), that a terminal obeys, or that change
 * the order in which a line is read, become "_"; so does a ".", "-", "~" or " " at its beginning; and it is
 * cut to SOWER_DISPOSITION_NAME_MAX bytes, between characters. The first form is ASCII: any other character
 * is a "_" there. */
#ifndef SOWER_SERVER_HTTP_DISPOSITION_H
#define SOWER_SERVER_HTTP_DISPOSITION_H

/* Of a name and of what stands behind it; and of the whole value, in which a byte of a name takes four. */
enum {
    SOWER_DISPOSITION_NAME_MAX = 200,
    SOWER_DISPOSITION_END_MAX = 40,
    SOWER_DISPOSITION_SIZE = 4 * SOWER_DISPOSITION_NAME_MAX + 2 * SOWER_DISPOSITION_END_MAX + 80
};

/* Prints the header's value for a name (UTF-8, ended by a NUL) and its end, for example ".npy", which is the
 * daemon's own: letters, digits, "-" and ".". */
void sower_disposition_print(const char *name, const char *end, char value[SOWER_DISPOSITION_SIZE]);

#endif
