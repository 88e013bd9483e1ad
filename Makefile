# make            build/sowerd and build/sow
# make demo       from nothing to a compared tensor, in one command
# make run        the daemon in the foreground
# make check      every test; ends in "N passed, N failed"
# make deps       install what the above need (apt)

BUILD ?= build
CC ?= cc
WARNINGS = -Wall -Wextra -Wconversion -Wshadow -Wstrict-prototypes -Wmissing-prototypes
# -ffp-contract=off is part of the bit contract: a * b + c is rounded twice unless the code says fma.
override CFLAGS += -std=c17 -D_GNU_SOURCE $(WARNINGS) -ffp-contract=off -fno-math-errno -MMD -MP
OPTIMIZE ?= -O2 -g
ifdef WERROR
override CFLAGS += -Werror
endif
ifdef SANITIZE
override CFLAGS += -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
override LDFLAGS += -fsanitize=address,undefined
endif

sources = $(patsubst %.c,$(BUILD)/%.o,$(wildcard $(addsuffix /*.c,$(1))))
CORE = $(call sources,core core/initializers core/kernels)
PROTO = $(call sources,proto)
SERVER = $(call sources,server)
CLIENT = $(call sources,client)
UNIT = $(patsubst %.c,$(BUILD)/%,$(wildcard tests/unit/*.c))

CORE_LIBS = -lsodium -lm
PROTO_LIBS = -ljansson
SERVER_LIBS = -lmicrohttpd -lsqlite3 -lsystemd -lpthread
CLIENT_LIBS = -lcurl

.DEFAULT_GOAL := all
.SECONDARY:
.PHONY: all deps demo run check clean

all: $(BUILD)/sowerd $(BUILD)/sow

$(BUILD)/sowerd: $(SERVER) $(PROTO) $(CORE)
	$(CC) $(LDFLAGS) -o $@ $^ $(SERVER_LIBS) $(PROTO_LIBS) $(CORE_LIBS)

$(BUILD)/sow: $(CLIENT) $(PROTO) $(CORE)
	$(CC) $(LDFLAGS) -o $@ $^ $(CLIENT_LIBS) $(PROTO_LIBS) $(CORE_LIBS)

$(BUILD)/tests/unit/%: $(BUILD)/tests/unit/%.o $(PROTO) $(CORE)
	$(CC) $(LDFLAGS) -o $@ $^ -lcmocka -lpthread $(PROTO_LIBS) $(CORE_LIBS)

$(BUILD)/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(OPTIMIZE) $(CFLAGS) $(CFLAGS_$(notdir $*)) -c -o $@ $<

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)

clean:
	rm -rf $(BUILD)
