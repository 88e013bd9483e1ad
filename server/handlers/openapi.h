/* The description of the routes, proto/openapi.json, as bytes in the program. The Makefile makes them from the file. */
#ifndef SOWER_SERVER_HANDLERS_OPENAPI_H
#define SOWER_SERVER_HANDLERS_OPENAPI_H

#include <stddef.h>

extern const unsigned char sower_openapi_text[];
extern const size_t sower_openapi_size;

#endif
