#include "root.h"

#include "../proto/rootkey.h"

static const struct option_rule ROOT[] = {
    {"root-key-file", 'k', "FILE",
     "a private root: 32 raw bytes or 64 hex digits (default: the public root)"},
    {0},
};

const struct option_group root_options = {"The root of all seeds, for what is derived here", ROOT};

bool root_read(const struct options *options, struct sower_seed *root, struct sower_problem *problem)
{
    const char *path = options_value(options, "root-key-file");
    if (path != NULL) {
        return sower_rootkey_read(path, root, problem);
    }
    *root = sower_seed_public_root();
    return true;
}
