/* Preloaded into a program (LD_PRELOAD): sets the floating-point environment that SOWER_ENVIRONMENT names before main
 * runs, as a library built with -ffast-math does. The names are in tests/unit/core/environments.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/core/environments.h"

__attribute__((constructor)) static void set(void)
{
    const char *name = getenv("SOWER_ENVIRONMENT");
    for (size_t i = 0; name != NULL && i < ENVIRONMENTS; i++) {
        if (strcmp(environments[i].name, name) == 0) {
            environment_set(&environments[i]);
            return;
        }
    }
    fprintf(stderr, "SOWER_ENVIRONMENT does not name an environment of tests/unit/core/environments.h\n");
    _Exit(99);
}
