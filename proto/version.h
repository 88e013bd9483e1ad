/* The version of the programs, which --version prints. The version of the bit contract is separate: SOWER_SPEC
 * (core/draw.h). */
#ifndef SOWER_PROTO_VERSION_H
#define SOWER_PROTO_VERSION_H

#define SOWER_VERSION "0.1.0"

#endif
