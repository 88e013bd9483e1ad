/* Callbacks: the functions that libmicrohttpd calls while it serves connections.
 *
 * They turn a request into an exchange (exchange.h): look up its route, check its framing and its host, read
 * its body, call its handler, and log its end. The first parameter is always the server, a struct
 * sower_server. sower_http_start registers all of them; the documentation of libmicrohttpd describes their
 * parameters. */
#ifndef SOWER_SERVER_HTTP_CALLBACKS_H
#define SOWER_SERVER_HTTP_CALLBACKS_H

#include <stdarg.h>
#include <stddef.h>

#include <microhttpd.h>

/* A connection begins or ends. *slot is the connection's entry in the registry (connections.h). */
void sower_callback_connection(void *context, struct MHD_Connection *connection, void **slot,
                               enum MHD_ConnectionNotificationCode code);

/* The request line has arrived. `target` is the target as the client sent it, with the query. The path that
 * libmicrohttpd passes later is decoded: there a "/" inside a name looks like a separator, and a NUL byte
 * ends the path. So routes with a variable part are found here, and that part is decoded separately. Returns
 * the new exchange, or NULL when memory runs out. */
void *sower_callback_target(void *context, const char *target, struct MHD_Connection *connection);

/* Called when the headers have arrived, for each piece of a body, when the request is complete, and again
 * after a suspended connection was resumed. *slot is the exchange. */
enum MHD_Result sower_callback_request(void *context, struct MHD_Connection *connection, const char *path,
                                       const char *method, const char *version, const char *upload,
                                       size_t *upload_size, void **slot);

/* The request has ended, with or without a complete response. */
void sower_callback_completed(void *context, struct MHD_Connection *connection, void **slot,
                              enum MHD_RequestTerminationCode code);

/* libmicrohttpd logs a message. */
__attribute__((format(printf, 2, 0))) void sower_callback_log(void *context, const char *format,
                                                              va_list arguments);

#endif
