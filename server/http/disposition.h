/* Content-Disposition (RFC 6266): the file name that a response suggests to browsers and `curl -OJ`.
 *
 *   attachment; filename="w_.npy"; filename*=UTF-8''w%C3%BC.npy
 *
 * A client chooses the name of a tensor, but the file may be written on the machine of another person. So
 * both forms of the name are made harmless. These characters become "_": path separators, characters with a
 * meaning for a file system or a shell (" \ / : * ? < > | %), control characters of terminals, characters
 * that change the order of text on a line, and a ".", "-", "~" or " " at the beginning. The name is cut to
 * SOWER_DISPOSITION_NAME_MAX bytes, between characters. The first form is ASCII: any other character is a "_"
 * there. */
#ifndef SOWER_SERVER_HTTP_DISPOSITION_H
#define SOWER_SERVER_HTTP_DISPOSITION_H

/* Bytes of a name, of the end after it, and of the whole value, where a byte of a name takes up to four. */
enum {
    SOWER_DISPOSITION_NAME_MAX = 200,
    SOWER_DISPOSITION_END_MAX = 40,
    SOWER_DISPOSITION_SIZE = 4 * SOWER_DISPOSITION_NAME_MAX + 2 * SOWER_DISPOSITION_END_MAX + 80
};

/* Prints the header's value. `name` is UTF-8. `end` comes from the daemon, for example ".npy": letters,
 * digits, "-" and ".". */
void sower_disposition_print(const char *name, const char *end, char value[SOWER_DISPOSITION_SIZE]);

#endif
