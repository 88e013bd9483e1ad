/* Attributes that gcc and clang understand. */
#ifndef SOWER_CORE_ATTRIBUTES_H
#define SOWER_CORE_ATTRIBUTES_H

/* Before a declaration: a caller that ignores the result gets a compiler warning. For results that say
 * whether the function succeeded, and for pointers that the caller must check or release. */
#define SOWER_MUST_USE __attribute__((warn_unused_result))

#endif
